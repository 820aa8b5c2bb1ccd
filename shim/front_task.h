/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containerd personality, called as containerd-shim-NAME-v2: `start` (one shim process for a
 * pod), `delete`, -info and -v. front_task.c chooses, front_task_args.c and front_task_options.c
 * parse (pure), front_task_start.c launches, front_task_daemon.c is the process that stays,
 * front_task_service.c its task service, front_task_container.c a container's life,
 * front_task_checkpoint.c checkpoints and restoring from them, front_task_io.c its standard streams, front_task_mount.c its root file system,
 * front_task_publish.c the events, front_task_stats.c the metrics, front_task_delete.c the clean-up
 * after a shim that died.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "shim/sha256.h"

#define FRONT_TASK_SOCKETS "/run/containerd/s"
#define FRONT_TASK_ADDRESS_MAX 256
#define FRONT_TASK_STDIN_MAX (10u << 20)

enum front_action { FRONT_START, FRONT_DELETE, FRONT_INFO, FRONT_VERSION, FRONT_NO_ACTION };

struct front_args { /* strings are argv's */
	const char *ns, *address, *publish_binary, *id, *bundle, *socket;
	bool debug;
	enum front_action action;
};

#define FRONT_SPOOL_DEFAULT (1u << 20)
#define FRONT_SPOOL_MAX (64u << 20)

struct front_options_spool { /* of a stream whose reader is away */
	uint32_t size;       /* bytes, at most FRONT_SPOOL_MAX */
	bool drops;          /* a full one drops what is newer; else the container waits */
};

struct front_options_runc { /* strings live in the arena; NULL or "": not given */
	const char *binary_name, *root, *shim_cgroup, *criu_work_path;
	const char *criu_path; /* of older daemons */
	bool no_pivot_root, no_new_keyring, systemd_cgroup;
	bool given; /* false: no options at all */
	uint32_t io_uid, io_gid;
	struct front_options_spool spool;
};

struct front_boot {      /* what came on stdin */
	bool structured; /* BootstrapParams: the answer is a BootstrapResult */
	const char *socket_dir, *ttrpc_address;
	const char *options_type;
	const void *options;
	size_t options_len;
};

struct front_spec { /* what the shim itself reads of config.json; strings live in the arena */
	const char *group; /* NULL: none */
	const char *cgroups_path;
	const char *spool_size, *spool_full; /* annotations; NULL: none */
	bool own_pid_ns;
};

/* Go's flag syntax. -EINVAL: a flag without its value; unknown flags are skipped. Pure. */
MUST_CHECK int front_args_parse(int argc, char **argv, struct front_args *ret, struct err *err);

/* Tells BootstrapParams from an Any (or nothing) by the id and namespace in it. Pure. */
MUST_CHECK int front_boot_parse(const void *data, size_t n, const struct front_args *args,
				struct arena *arena, struct front_boot *ret, struct err *err);

/* runc's options, or a foreign runtime's with TOML in them; unknown types count as not given.
 * Reads config_path where there is no body. */
MUST_CHECK int front_options_parse(const char *type, const void *data, size_t n,
				   struct arena *arena, struct front_options_runc *ret,
				   struct err *err);
/* The keys of runc's options in a TOML text; everything else in it is skipped. Pure. */
MUST_CHECK int front_toml_parse(const char *text, size_t n, struct arena *arena,
				struct front_options_runc *ret, struct err *err);

/* Of a parsed config.json; pure. */
void front_spec_parse(const struct json *config, struct arena *arena, struct front_spec *ret);
/* Reads <bundle>/config.json; one that is missing or damaged leaves the defaults. */
void front_spec_read(const char *bundle, struct arena *arena, struct front_spec *ret);
/* What the annotations say goes before the runtime's options. */
MUST_CHECK int front_spool_choose(const struct front_spec *spec, struct front_options_spool *spool,
				  struct err *err);
/* True for slice:prefix:name, the form that only the systemd driver understands. */
bool front_is_systemd_path(const char *cgroups_path);

/*
 * Who decides about the socket at path, that it is nobody's or that it is now theirs, holds this lock of
 * its directory. The descriptor, released by closing it, or -errno.
 */
MUST_CHECK int front_socket_lock(const char *path);
/* "unix:///run/containerd/s/<sha256 of address/ns/group>". -ENAMETOOLONG. Pure. */
MUST_CHECK int front_socket_address(const char *dir, const struct front_args *args,
				    const char *group, char *buf, size_t size);

/* The program that runs containers: options' binary_name, else thole beside this program or in PATH.
 * NULL: there is none. */
const char *front_runtime_find(const struct front_options_runc *options, struct arena *arena);

int front_task_main(int argc, char **argv);

/* What each action does once the arguments are known; exit statuses. */
int front_task_start(const struct front_args *args);
int front_task_delete(const struct front_args *args);
int front_task_info(const char *name);
/* Standard input if it is a pipe, a file or a socket; else nothing. */
MUST_CHECK int front_read_stdin(struct arena *arena, char **ret_data, size_t *ret_len,
				struct err *err);

struct front_daemon_config {
	const struct front_args *args;
	const char *socket; /* path */
	const char *ttrpc_address;
};
/* The process that stays: takes the listening socket; tells by one byte on report_fd that it
 * listens. Returns the exit status. */
int front_task_daemon(const struct front_daemon_config *config, int listen_fd_consume,
		      int report_fd_consume);
