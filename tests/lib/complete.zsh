# What zsh's completion offers: complete.zsh FUNCTIONS-DIR LINE. A shell in a pty gets the line and a
# tab; its compadd writes down what it was given.
zmodload zsh/zpty
export ZDOTDIR=$(mktemp -d) CAPTURE_FUNCTIONS=$1
cat >$ZDOTDIR/.zshrc <<'RC'
fpath=($CAPTURE_FUNCTIONS $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
	local -a __hits
	# With -O, -A or -D it only fills arrays.
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		builtin compadd -A __hits "$@"
		[[ -n $__hits ]] && print -rl -- $__hits >>$ZDOTDIR/hits
	fi
	builtin compadd "$@"
}
finish() { touch $ZDOTDIR/done; exit }
comppostfuncs=(finish)
touch $ZDOTDIR/ready
RC
zpty shell zsh -i
await() { # FILE
	local i output
	for i in {1..1200}; do
		while zpty -r -t shell output; do :; done
		[[ -e $ZDOTDIR/$1 ]] && return
		sleep 0.05
	done
	return 1
}
await ready && zpty -w -n shell "$2"$'\t' && await done
[[ -e $ZDOTDIR/hits ]] && cat $ZDOTDIR/hits
zpty -d shell
rm -r $ZDOTDIR
