/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: the kernel work of `run` of the default bundle with /bin/true, hard-coded, in one static
 * program. No configuration, no checks, no errors told beyond a step's name. What a runtime takes more
 * than this is its own.
 *
 *   floor ROOTFS CGROUP-NAME PROGRAM
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(x)                                                                                     \
	do {                                                                                       \
		if ((x) < 0) {                                                                     \
			fprintf(stderr, "floor: %s: %s\n", #x, strerror(errno));                   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#define IGNORE(x)                                                                                  \
	do {                                                                                       \
		if ((x) < 0)                                                                       \
			errno = 0;                                                                 \
	} while (0)

static char dirs[24][256];
static int n_dirs;

static void cgroups(const char *name)
{
	char line[512], path[8192];
	struct statfs sfs;

	if (statfs("/sys/fs/cgroup", &sfs) == 0 && sfs.f_type == 0x63677270) {
		snprintf(dirs[n_dirs++], sizeof(dirs[0]), "/sys/fs/cgroup/%s", name);
	} else {
		FILE *f = fopen("/proc/self/cgroup", "re");
		while (f && fgets(line, sizeof(line), f)) {
			char *c = strchr(line, ':') + 1, *e = strchr(c, ':');
			*e = 0;
			if (strncmp(c, "name=", 5) == 0)
				c += 5;
			snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", *c ? c : "unified");
			if (access(path, F_OK) == 0 &&
			    (*c || (statfs(path, &sfs) == 0 && sfs.f_type == 0x63677270)))
				snprintf(dirs[n_dirs++], sizeof(dirs[0]), "%.200s/%.40s", path,
					 name);
		}
		if (f)
			fclose(f);
	}
	for (int i = 0; i < n_dirs; i++) {
		if (mkdir(dirs[i], 0755) < 0 && errno == ENOENT) {
			char *slash = strrchr(dirs[i], '/');
			*slash = 0;
			mkdir(dirs[i], 0755);
			*slash = '/';
			TRY(mkdir(dirs[i], 0755));
		}
		if (strstr(dirs[i], "/cpuset/"))
			for (int k = 0; k < 2; k++) {
				const char *f = k ? "mems" : "cpus";
				char v[64] = "";
				snprintf(path, sizeof(path), "%s/../../cpuset.%s", dirs[i], f);
				int fd = open(path, O_RDONLY);
				ssize_t n = read(fd, v, sizeof(v));
				close(fd);
				snprintf(path, sizeof(path), "%s/../cpuset.%s", dirs[i], f);
				fd = open(path, O_WRONLY);
				IGNORE(write(fd, v, (size_t)n));
				close(fd);
				snprintf(path, sizeof(path), "%s/cpuset.%s", dirs[i], f);
				fd = open(path, O_WRONLY);
				IGNORE(write(fd, v, (size_t)n));
				close(fd);
			}
		if (strstr(dirs[i], "/devices/")) {
			static const char *const rules[] = {
				"c *:* m",     "b *:* m",   "c 1:3 rwm",   "c 1:8 rwm",
				"c 1:7 rwm",   "c 5:0 rwm", "c 1:5 rwm",   "c 1:9 rwm",
				"c 136:* rwm", "c 5:2 rwm", "c 10:200 rwm"
			};
			snprintf(path, sizeof(path), "%s/devices.deny", dirs[i]);
			int fd = open(path, O_WRONLY);
			TRY(write(fd, "a", 1));
			close(fd);
			snprintf(path, sizeof(path), "%s/devices.allow", dirs[i]);
			fd = open(path, O_WRONLY);
			for (size_t k = 0; k < sizeof(rules) / sizeof(*rules); k++)
				TRY(write(fd, rules[k], strlen(rules[k])));
			close(fd);
		}
	}
}

static void new_mount(const char *type, const char *source, const char *target, unsigned long flags,
		      const char *data)
{
	mkdir(target, 0755);
	TRY(mount(source, target, type, flags, data));
}

static void child(const char *rootfs, char *program)
{
	static const char *const masked[] = { "proc/acpi",          "proc/asound",
					      "proc/kcore",         "proc/keys",
					      "proc/latency_stats", "proc/timer_list",
					      "proc/timer_stats",   "proc/sched_debug",
					      "proc/scsi",          "sys/firmware" };
	static const char *const ro[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
					  "proc/sysrq-trigger" };
	static const struct {
		const char *name;
		unsigned int major, minor;
	} devices[] = { { "dev/null", 1, 3 },   { "dev/zero", 1, 5 },    { "dev/full", 1, 7 },
			{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	uint64_t caps = 1u << 29 | 1u << 5 | 1u << 10;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	TRY(ioctl(s, SIOCSIFFLAGS, &ifr));
	close(s);
	TRY(setsid());
	TRY(sethostname("runc", 4));
	TRY(mount("", "/", NULL, MS_SLAVE | MS_REC, NULL));
	TRY(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	TRY(chdir(rootfs));
	new_mount("proc", "proc", "proc", 0, NULL);
	new_mount("tmpfs", "tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	new_mount("devpts", "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620,gid=5");
	new_mount("tmpfs", "shm", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV,
		  "mode=1777,size=65536k");
	new_mount("mqueue", "mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	new_mount("sysfs", "sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
	umask(0);
	for (size_t i = 0; i < 6; i++)
		TRY(mknod(devices[i].name, S_IFCHR | 0666,
			  makedev(devices[i].major, devices[i].minor)));
	TRY(symlink("/proc/self/fd", "dev/fd"));
	TRY(symlink("/proc/self/fd/0", "dev/stdin"));
	TRY(symlink("/proc/self/fd/1", "dev/stdout"));
	TRY(symlink("/proc/self/fd/2", "dev/stderr"));
	TRY(symlink("pts/ptmx", "dev/ptmx"));
	umask(022);
	for (size_t i = 0; i < sizeof(ro) / sizeof(*ro); i++)
		if (mount(ro[i], ro[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			TRY(mount(ro[i], ro[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
		if (mount("dev/null", masked[i], NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR)
			TRY(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL));
	TRY(syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	TRY(mount("", "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	TRY(syscall(SYS_close_range, 3, ~0u, 4));
	for (int c = 0; c <= 40; c++)
		if (!(caps >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	data[0].effective = data[0].permitted = (uint32_t)caps;
	TRY(syscall(SYS_capset, &header, data));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	char *argv[] = { program, NULL }, *envp[] = { (char[]){ "PATH=/bin" }, NULL };
	execve(program, argv, envp);
	fprintf(stderr, "floor: %s: %s\n", program, strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS |
					    CLONE_NEWIPC | CLONE_NEWNET,
				   .exit_signal = SIGCHLD };
	int tasks[24], n_tasks = 0, status;

	if (argc != 4)
		return 2;
	cgroups(argv[2]);
	if (strncmp(dirs[0], "/sys/fs/cgroup/thole", 20) == 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)open(dirs[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	for (int i = 0; i < n_dirs && !(args.flags & CLONE_INTO_CGROUP); i++) {
		char path[8192];
		snprintf(path, sizeof(path), "%s/tasks", dirs[i]);
		TRY(tasks[n_tasks++] = open(path, O_WRONLY | O_CLOEXEC));
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	TRY(pid);
	if (pid == 0) {
		/* By itself: moved by another process the first time costs a grace period. */
		for (int i = 0; i < n_tasks; i++)
			TRY(write(tasks[i], "0", 1));
		child(argv[1], argv[3]);
	}
	TRY(waitpid(pid, &status, 0));
	for (int i = 0; i < n_dirs; i++)
		TRY(rmdir(dirs[i]));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
