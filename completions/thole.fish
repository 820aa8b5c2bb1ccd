# SPDX-License-Identifier: Apache-2.0
# Completion of thole for fish. Rendered by `make man` from the command table.

function __thole_words # the command and its positionals, options left out
	set -l words (commandline -opc)[2..-1]
	set -l skip 0
	for word in $words
		if test $skip = 1
			set skip 0
			continue
		end
		switch $word
			case --root --log --log-format --log-level --cgroup-manager --rootless --criu --bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --format --process --cwd --env --user --additional-gids --cap --process-label --apparmor --cgroup --pid-file --console-socket --pidfd-socket --preserve-fds --format --resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --cpu-idle --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --kernel-memory --kernel-memory-tcp --interval --bundle --config --bundle --config --format --bundle --config --format 
				set skip 1
			case '-*'
			case '*'
				echo $word
		end
	end
end

function __thole_command_is # [COMMAND [INDEX]]: none yet; that one; and so many positionals
	set -l words (__thole_words)
	test (count $argv) = 0; and begin; test (count $words) = 0; return; end
	test "$words[1]" = $argv[1]; or return 1
	test (count $argv) = 1; or test (count $words) = (math $argv[2] + 1)
end

function __thole_containers
	set -l words (commandline -opc)
	set -l root
	set -l at (contains -i -- --root $words); and set root --root $words[(math $at + 1)]
	for word in $words
		string match -q -- '--root=*' $word; and set root $word
	end
	command -q $words[1]; and $words[1] $root list -q 2>/dev/null
end

set -g __thole_signals 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'

complete -c thole -f
complete -c thole -n '__thole_command_is' -l root -x -a '(__fish_complete_directories)' -d 'directory for the containers\' state (default /run/thole)'
complete -c thole -n '__thole_command_is' -l log -r -F -d 'append the messages to this file, or send them to journald:NAME or syslog:NAME (default stderr)'
complete -c thole -n '__thole_command_is' -l log-format -x -a 'text json' -d 'format of the messages (default text)'
complete -c thole -n '__thole_command_is' -l log-level -x -a 'debug info warning error' -d 'least important messages to show (default info)'
complete -c thole -n '__thole_command_is' -l debug -d 'log debug messages too'
complete -c thole -n '__thole_command_is' -l systemd-cgroup -d 'let systemd manage the cgroup; cgroupsPath is slice:prefix:name'
complete -c thole -n '__thole_command_is' -l cgroup-manager -x -a 'cgroupfs systemd disabled' -d 'who makes the container\'s cgroup (default cgroupfs)'
complete -c thole -n '__thole_command_is' -l rootless -x -a 'true false auto' -d 'tolerate cgroup permission errors (default auto)'
complete -c thole -n __thole_command_is -s h -l help -d 'show help'
complete -c thole -n __thole_command_is -s v -l version -d 'print the version'
complete -c thole -n '__thole_command_is' -a create -d 'create a container'
complete -c thole -n '__thole_command_is create' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'root of the bundle (default: the current directory)'
complete -c thole -n '__thole_command_is create' -l config -s f -r -F -d 'the configuration (default: config.json in the bundle)'
complete -c thole -n '__thole_command_is create' -l console-socket -r -F -d 'socket that gets the master of the container\'s terminal'
complete -c thole -n '__thole_command_is create' -l pidfd-socket -r -F -d 'socket that gets a pidfd of the container\'s init'
complete -c thole -n '__thole_command_is create' -l pid-file -r -F -d 'file to write the pid of the container\'s init to'
complete -c thole -n '__thole_command_is create' -l no-pivot -d 'do not use pivot_root (for a root file system in a ramdisk)'
complete -c thole -n '__thole_command_is create' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c thole -n '__thole_command_is create' -l preserve-fds -x -d 'pass N more descriptors, from 3 on, to the container'
complete -c thole -n '__thole_command_is create' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a start -d 'run the program of a created container'
complete -c thole -n '__thole_command_is start' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is start 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a run -d 'create a container and start it'
complete -c thole -n '__thole_command_is run' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'root of the bundle (default: the current directory)'
complete -c thole -n '__thole_command_is run' -l config -s f -r -F -d 'the configuration (default: config.json in the bundle)'
complete -c thole -n '__thole_command_is run' -l console-socket -r -F -d 'socket that gets the master of the container\'s terminal'
complete -c thole -n '__thole_command_is run' -l pidfd-socket -r -F -d 'socket that gets a pidfd of the container\'s init'
complete -c thole -n '__thole_command_is run' -l pid-file -r -F -d 'file to write the pid of the container\'s init to'
complete -c thole -n '__thole_command_is run' -l no-pivot -d 'do not use pivot_root (for a root file system in a ramdisk)'
complete -c thole -n '__thole_command_is run' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c thole -n '__thole_command_is run' -l preserve-fds -x -d 'pass N more descriptors, from 3 on, to the container'
complete -c thole -n '__thole_command_is run' -l detach -s d -d 'return as soon as the container runs'
complete -c thole -n '__thole_command_is run' -l keep -d 'do not delete the container at its end'
complete -c thole -n '__thole_command_is run' -l no-subreaper -d 'do not adopt the container\'s orphans'
complete -c thole -n '__thole_command_is run' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a state -d 'print the state of a container as JSON'
complete -c thole -n '__thole_command_is state' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is state 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a kill -d 'send a signal to a container\'s init (default SIGTERM)'
complete -c thole -n '__thole_command_is kill 0' -l all -s a -d 'all processes where the pid namespace is shared, or init has ended'
complete -c thole -n '__thole_command_is kill 0' -l regex -s r -d 'the id is an extended regular expression; take every container it matches'
complete -c thole -n '__thole_command_is kill 0' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is kill 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is kill 1' -a '(string split " " $__thole_signals)'
complete -c thole -n '__thole_command_is' -a delete -d 'remove everything that a container holds'
complete -c thole -n '__thole_command_is delete' -l force -s f -d 'kill the container first if it still runs'
complete -c thole -n '__thole_command_is delete' -l regex -s r -d 'the id is an extended regular expression; take every container it matches'
complete -c thole -n '__thole_command_is delete' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is delete 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a list -d 'list the containers below the state root'
complete -c thole -n '__thole_command_is list' -l format -s f -x -a 'table json' -d 'output format (default table)'
complete -c thole -n '__thole_command_is list' -l quiet -s q -d 'print the ids only'
complete -c thole -n '__thole_command_is list' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a exec -d 'run another process in a container'
complete -c thole -n '__thole_command_is exec 0' -l process -s p -r -F -d 'the process as JSON; the options about it are then ignored'
complete -c thole -n '__thole_command_is exec 0' -l tty -s t -d 'give it a terminal'
complete -c thole -n '__thole_command_is exec 0' -l detach -s d -d 'return as soon as the process runs'
complete -c thole -n '__thole_command_is exec 0' -l cwd -x -a '(__fish_complete_directories)' -d 'current directory'
complete -c thole -n '__thole_command_is exec 0' -l env -s e -x -d 'add to the environment'
complete -c thole -n '__thole_command_is exec 0' -l user -s u -x -d 'user and group, as numbers'
complete -c thole -n '__thole_command_is exec 0' -l additional-gids -s g -x -d 'add a group'
complete -c thole -n '__thole_command_is exec 0' -l cap -s c -x -d 'add a capability'
complete -c thole -n '__thole_command_is exec 0' -l no-new-privs -d 'set no_new_privs'
complete -c thole -n '__thole_command_is exec 0' -l process-label -x -d 'SELinux label of the process'
complete -c thole -n '__thole_command_is exec 0' -l apparmor -x -d 'AppArmor profile of the process'
complete -c thole -n '__thole_command_is exec 0' -l cgroup -x -d 'run in this cgroup below the container\'s'
complete -c thole -n '__thole_command_is exec 0' -l no-new-keyring -d 'keep the caller\'s session keyring'
complete -c thole -n '__thole_command_is exec 0' -l ignore-paused -d 'also in a paused container'
complete -c thole -n '__thole_command_is exec 0' -l pid-file -r -F -d 'file to write the pid of the process to'
complete -c thole -n '__thole_command_is exec 0' -l console-socket -r -F -d 'socket that gets the master of the terminal'
complete -c thole -n '__thole_command_is exec 0' -l pidfd-socket -r -F -d 'socket that gets a pidfd of the process'
complete -c thole -n '__thole_command_is exec 0' -l preserve-fds -x -d 'pass N more descriptors, from 3 on'
complete -c thole -n '__thole_command_is exec 0' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is exec 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a ps -d 'list the processes of a container'
complete -c thole -n '__thole_command_is ps 0' -l format -s f -x -a 'table json' -d 'output format (default table)'
complete -c thole -n '__thole_command_is ps 0' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is ps 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a pause -d 'freeze all processes of a container'
complete -c thole -n '__thole_command_is pause' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is pause 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a resume -d 'let the processes of a paused container go on'
complete -c thole -n '__thole_command_is resume' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is resume 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a update -d 'change the limits of a container'
complete -c thole -n '__thole_command_is update' -l resources -s r -r -F -d 'an OCI linux.resources object; the other options are then ignored'
complete -c thole -n '__thole_command_is update' -l blkio-weight -x -d 'block I/O weight, 10 to 1000'
complete -c thole -n '__thole_command_is update' -l cpu-period -x -d 'CPU period of the limit, in microseconds'
complete -c thole -n '__thole_command_is update' -l cpu-quota -x -d 'CPU time allowed in a period, in microseconds'
complete -c thole -n '__thole_command_is update' -l cpu-burst -x -d 'CPU time that may be saved up, in microseconds'
complete -c thole -n '__thole_command_is update' -l cpu-share -x -d 'CPU shares, relative to other containers'
complete -c thole -n '__thole_command_is update' -l cpu-rt-period -x -d 'period of the real-time limit, in microseconds'
complete -c thole -n '__thole_command_is update' -l cpu-rt-runtime -x -d 'real-time CPU time in a period, in microseconds'
complete -c thole -n '__thole_command_is update' -l cpuset-cpus -x -d 'CPUs to use, as 0-2,7'
complete -c thole -n '__thole_command_is update' -l cpuset-mems -x -d 'memory nodes to use'
complete -c thole -n '__thole_command_is update' -l cpu-idle -x -a '0 1' -d '1: run only when nothing else wants to'
complete -c thole -n '__thole_command_is update' -l memory -x -d 'memory limit, as 64m; -1: none'
complete -c thole -n '__thole_command_is update' -l memory-reservation -x -d 'memory that is kept from reclaim; -1: none'
complete -c thole -n '__thole_command_is update' -l memory-swap -x -d 'limit of memory and swap together; -1: none'
complete -c thole -n '__thole_command_is update' -l pids-limit -x -d 'number of processes and threads; -1: no limit'
complete -c thole -n '__thole_command_is update' -l l3-cache-schema -x -d 'L3 cache allocation (resctrl)'
complete -c thole -n '__thole_command_is update' -l mem-bw-schema -x -d 'memory bandwidth allocation (resctrl)'
complete -c thole -n '__thole_command_is update' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is update 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a events -d 'print the figures of a container and its out-of-memory events as JSON'
complete -c thole -n '__thole_command_is events' -l interval -x -d 'time between two lines of figures, as 500ms or 1m30s (default 5s)'
complete -c thole -n '__thole_command_is events' -l stats -d 'print the figures once and end'
complete -c thole -n '__thole_command_is events' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is events 0' -a '(__thole_containers)'
complete -c thole -n '__thole_command_is' -a spec -d 'write a default configuration, config.json'
complete -c thole -n '__thole_command_is spec' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'bundle directory (default: the current one)'
complete -c thole -n '__thole_command_is spec' -l config -s f -r -F -d 'write it to this file (default: config.json in the bundle)'
complete -c thole -n '__thole_command_is spec' -l rootless -d 'a configuration for a caller without privileges'
complete -c thole -n '__thole_command_is spec' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a features -d 'print what this runtime supports, as JSON'
complete -c thole -n '__thole_command_is features' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a validate -d 'check a configuration: which fields are applied, emulated or unsupported here'
complete -c thole -n '__thole_command_is validate' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'root of the bundle (default: the current directory)'
complete -c thole -n '__thole_command_is validate' -l config -r -F -d 'the configuration (default: config.json in the bundle)'
complete -c thole -n '__thole_command_is validate' -l format -s f -x -a 'table json' -d 'output format (default table)'
complete -c thole -n '__thole_command_is validate' -s h -l help -d 'show help'
complete -c thole -n '__thole_command_is' -a explain -d 'as validate, with each field\'s value and what becomes of it'
complete -c thole -n '__thole_command_is explain' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'root of the bundle (default: the current directory)'
complete -c thole -n '__thole_command_is explain' -l config -r -F -d 'the configuration (default: config.json in the bundle)'
complete -c thole -n '__thole_command_is explain' -l format -s f -x -a 'table json' -d 'output format (default table)'
complete -c thole -n '__thole_command_is explain' -s h -l help -d 'show help'
complete -c thole -n __thole_command_is -a help -d 'show help'
complete -c thole -n '__thole_command_is help 0' -a 'create start run state kill delete list exec ps pause resume update events spec features validate explain'
