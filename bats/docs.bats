#!/usr/bin/env bats
# What is rendered from the command table: man pages and completions, in the shells themselves.

load helpers
setup() {
	setup_common
	requires thole
	PATH=$(dirname "$RUNTIME"):$PATH
	COMPLETIONS=$TOP/completions
}
teardown() { clean_container; teardown_common; }

@test "docs and completions are those of the command table" {
	make -s -C "$TOP" man-check
}

@test "a page for every command, none with a warning" {
	while read -r c; do
		[ -s "$TOP/docs/man/thole-$c.8" ] || { echo "no page for $c"; false; }
	done < <("$RUNTIME" --help | sed -n '/^COMMANDS/,/^$/s/^   \([a-z]*\) .*/\1/p' | grep -v help)
	for page in "$TOP"/docs/man/*.8 "$TOP"/docs/*.8; do
		run mandoc -Tlint -Wwarning "$page"
		status_is 0
		run man --warnings -l "$page"
		status_is 0
		run bash -c "man --warnings -l '$page' 2>&1 >/dev/null"
		[ -z "$output" ]
	done
}

@test "every option of a command's help is in its page, and the other way round" {
	for c in $("$RUNTIME" --help | sed -n '/^COMMANDS/,/^$/s/^   \([a-z]*\) .*/\1/p'); do
		[ "$c" = help ] && continue
		"$RUNTIME" "$c" --help | sed -n 's/^   \(--[a-z0-9-]*\).*/\1/p' | sort >"$T/help"
		[ -s "$T/help" ]
		sed -n '/^.Sh OPTIONS/,/^.El/s/^.It Fl Fl \([a-z0-9-]*\).*/--\1/p' "$TOP/docs/man/thole-$c.8" | sort >"$T/page"
		diff "$T/help" "$T/page"
	done
}

# The candidates that SHELL offers for the last of WORDS, one a line.
complete_in() { # SHELL LINE
	case $1 in
	bash)
		# As readline splits it: at blanks, and at "=".
		bash --norc -c '
			source "$1/thole.bash"
			compopt() { :; }
			COMP_LINE=$2
			read -ra COMP_WORDS <<<"${2//=/ = }"
			[[ $2 == *[\ =] ]] && COMP_WORDS+=("")
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			"$(complete -p thole | sed "s/.*-F \([^ ]*\).*/\1/")"
			printf "%s\n" "${COMPREPLY[@]}"' _ "$COMPLETIONS" "$2"
		;;
	fish) fish --no-config -c "source $COMPLETIONS/thole.fish; complete -C '$2'" 2>/dev/null | cut -f1 ;;
	zsh) zsh -f "$TOP/tests/lib/complete.zsh" "$COMPLETIONS" "$2" ;;
	esac
}
offers() { # SHELL LINE WORD...
	local shell=$1 line=$2 w got
	shift 2
	got=$(complete_in "$shell" "$line" </dev/null 3>&-)
	for w in "$@"; do
		case $w in
		!*) ! grep -qxF -- "${w#!}" <<<"$got" ;;
		*) grep -qxF -- "$w" <<<"$got" ;;
		esac || {
			echo "$shell: \"$line\": expected $w, got:"
			echo "$got"
			return 1
		}
	done
}
check_shell() {
	args pause
	ct_create
	offers "$1" "thole st" start state !stop !create
	offers "$1" "thole --ro" --root --rootless !--log
	offers "$1" "thole --log-format " text json
	offers "$1" "thole --root $STATE --debug re" resume !start
	offers "$1" "thole run --no-" --no-pivot --no-new-keyring --no-subreaper !--keep
	offers "$1" "thole list --format " table json
	offers "$1" "thole ps -f " table json
	offers "$1" "thole --root $STATE kill " "$ID"
	offers "$1" "thole --root $STATE kill $ID TE" TERM !KILL
	offers "$1" "thole --root $STATE exec -t " "$ID"
	offers "$1" "thole update --cpuset-" --cpuset-cpus --cpuset-mems
	offers "$1" "thole help fe" features
	# Another process's options are its own.
	offers "$1" "thole --root $STATE exec $ID ls --no" !--no-new-privs
}

@test "completion: bash" { check_shell bash; }
@test "completion: zsh" { check_shell zsh; }
@test "completion: fish" { check_shell fish; }
