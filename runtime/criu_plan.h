/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What criu will be asked: decided from the options, the configuration and a few facts about the
 * running container, as a struct that the codec of criu.h turns into a message. Pure: opens nothing
 * and changes nothing.
 */
#pragma once

#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/plan_mounts.h"
#include "spec/spec.h"

enum criu_type { /* criu's numbers */
		 CRIU_DUMP = 1,
		 CRIU_RESTORE = 2,
		 CRIU_PRE_DUMP = 4,
		 CRIU_NOTIFY = 6,
		 CRIU_FEATURE_CHECK = 9,
};

/* What the command line says. */
struct criu_options {
	const char *program;                /* absolute path of criu */
	const char *image_path, *work_path; /* absolute */
	const char *parent_path;            /* relative to image_path, NULL: none */
	const char *page_server_address;    /* NULL: none */
	int page_server_port, status_fd;    /* status_fd < 0: none */
	int cgroups_mode, network_lock;     /* criu's numbers; network_lock 0: criu's choice */
	uint32_t empty_ns;                  /* CLONE_NEW* */
	const char *lsm_profile, *lsm_mount_context;
	bool leave_running, tcp_established, tcp_skip_in_flight, tcp_close, link_remap;
	bool ext_unix_sk, shell_job, lazy_pages, file_locks, pre_dump, auto_dedup;
};

struct criu_pair {
	const char *key, *value;
};
struct criu_pairs {
	struct criu_pair *v;
	size_t n, cap;
};
struct criu_fd {
	const char *key;
	int fd;
};

#define CRIU_FDS_MAX 8

struct criu_request {
	enum criu_type type;
	const struct criu_options *options;
	pid_t pid;                          /* dump: init */
	int images_fd, work_fd;             /* of this process */
	const char *log_file;               /* below the work directory */
	const char *root;                   /* restore: where the container's root is mounted */
	const char *freeze_cgroup;          /* dump: directory, or NULL */
	const char *config_file;            /* criu's own, or NULL */
	struct criu_pairs mounts;           /* dump: mount point -> name; restore: name -> source */
	struct criu_pairs cgroups;          /* restore: controllers -> path */
	const char *external[CRIU_FDS_MAX]; /* dump: namespaces and files that stay outside */
	size_t n_external;
	struct criu_fd fds[CRIU_FDS_MAX]; /* restore: handed to criu under these names */
	size_t n_fds;
};

void criu_pairs_add(struct arena *arena, struct criu_pairs *pairs, const char *key,
		    const char *value);

/* "soft", ... -> criu's number; -EINVAL with the words that are known. */
MUST_CHECK int criu_parse_cgroups_mode(const char *text, int *ret, struct err *err);
MUST_CHECK int criu_parse_network_lock(const char *text, int *ret, struct err *err);
/* HOST:PORT, [HOST]:PORT */
MUST_CHECK int criu_parse_page_server(struct arena *arena, const char *text,
				      struct criu_options *options, struct err *err);
/* Options that exclude or need each other. */
MUST_CHECK int criu_check_options(const struct criu_options *options, enum criu_type type,
				  struct err *err);

/* What is done with a namespace that the configuration gives by its path. */
enum criu_ns {
	CRIU_NS_OWN,      /* not given by path: criu dumps and restores it, or it is the host's */
	CRIU_NS_EXTERNAL, /* criu is told of it: network, pid */
	CRIU_NS_JOIN,     /* criu runs in it and so takes it for the host's: ipc, uts */
	CRIU_NS_REFUSED,
};
enum criu_ns criu_ns_of(const struct spec *spec, uint64_t flag);
/* The name of an external namespace in images, as runc's: "extRootNetNS". */
const char *criu_ns_name(uint64_t flag);
/* Refuses what criu cannot give back. `what`: "checkpoint" or "restore". */
MUST_CHECK int criu_check_namespaces(const struct spec *spec, const char *what, struct err *err);

/* The part of the request that comes from the options and the configuration alone. */
void criu_plan_common(const struct criu_options *options, const struct spec *spec,
		      enum criu_type type, struct criu_request *ret);

/* The mounts whose content belongs to the host, so that the image holds only their names, in the
 * order of the plan: called for each with the name (the configuration's destination). */
bool criu_mount_is_external(const struct plan_mount *m);

/* One line a field, for --debug and the tests. */
void criu_request_print(const struct criu_request *request, struct str *out);
