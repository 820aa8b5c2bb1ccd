/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object: its tables and the handlers of its own types (capabilities, rlimits). Rules
 * between fields are in spec_check.c, because the options of exec change a process too.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include "spec/spec_read.h"
#include "spec/spec_table.h"

#define SCHED_ISO_RESERVED 4 /* the header only reserves the number */
#define FULL_UMASK 0777

/* ---- consoleSize, user ---- */

/* Type and range are those of the spec; that a tty takes 16 bits is checked only where the size is
 * used: with terminal false it MUST be ignored. */
static const struct spec_field console_rows[] = {
	SPEC_ROW(struct spec_process, "height", NUMBER, spec_field_u32, console_height,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_process, "width", NUMBER, spec_field_u32, console_width,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table console_table = SPEC_TABLE(console_rows);

static const struct spec_field user_rows[] = {
	SPEC_ROW(struct spec_user, "uid", NUMBER, spec_field_u32, uid, .max = SPEC_ID_MAX,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_user, "gid", NUMBER, spec_field_u32, gid, .max = SPEC_ID_MAX,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_user, "umask", NUMBER, spec_field_u32, umask, .max = FULL_UMASK,
		 .has = offsetof(struct spec_user, has_umask)),
	SPEC_ROW_LIST(struct spec_user, "additionalGids", ARRAY, spec_field_u32_list,
		      additional_gids, n_additional_gids, .max = SPEC_GIDS_MAX),
	SPEC_ROW_OF("username", STRING, spec_field_platform),
};
static const struct spec_table user_table = SPEC_TABLE(user_rows);

/* ---- capabilities ---- */

/* The spec wants a warning, not an error, for a capability that is not known. */
static int read_caps(struct spec_reader *r, const struct json *v, void *out,
		     const struct spec_field *field)
{
	struct spec_strings names = { 0 };
	uint64_t set = 0;
	int rc = spec_field_strings(r, v, &names, field);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		int cap = spec_capability(names.v[i]);

		if (cap < 0)
			spec_notice_add(&r->caps, names.v[i]);
		else
			set |= UINT64_C(1) << cap;
	}
	*(uint64_t *)out = set;
	return 1;
}

static const struct spec_field caps_rows[] = {
	SPEC_ROW(struct spec_caps, "bounding", ARRAY, read_caps, bounding),
	SPEC_ROW(struct spec_caps, "effective", ARRAY, read_caps, effective),
	SPEC_ROW(struct spec_caps, "inheritable", ARRAY, read_caps, inheritable,
		 .has = offsetof(struct spec_caps, has_inheritable)),
	SPEC_ROW(struct spec_caps, "permitted", ARRAY, read_caps, permitted),
	SPEC_ROW(struct spec_caps, "ambient", ARRAY, read_caps, ambient,
		 .has = offsetof(struct spec_caps, has_ambient)),
};
static const struct spec_table caps_table = SPEC_TABLE(caps_rows);

/* ---- rlimits ---- */

static const struct spec_word rlimit_words[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};
static const struct spec_words rlimit_list = SPEC_WORDS(rlimit_words);

static int read_rlimit_type(struct spec_reader *r, const struct json *v, void *out,
			    const struct spec_field *field)
{
	struct spec_rlimit *rlimit = out;
	int i;

	(void)field;
	i = spec_word_find(r, &rlimit_list, v->string);
	if (i < 0)
		return i;
	rlimit->type = rlimit_words[i].word;
	rlimit->resource = (int)rlimit_words[i].value;
	return 1;
}

static const struct spec_field rlimit_rows[] = {
	SPEC_ROW_OF("type", STRING, read_rlimit_type, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_rlimit, "soft", NUMBER, spec_field_u64, soft, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_rlimit, "hard", NUMBER, spec_field_u64, hard, .flags = SPEC_REQUIRED),
};
static const struct spec_table rlimit_table = SPEC_TABLE(rlimit_rows);
static const struct spec_list rlimits = { &rlimit_table, sizeof(struct spec_rlimit) };

/* ---- scheduler, ioPriority, execCPUAffinity ---- */

static const struct spec_word policy_words[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", SCHED_ISO_RESERVED },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};
static const struct spec_words policy_list = SPEC_WORDS(policy_words);

static const struct spec_word sched_flag_words[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};
static const struct spec_words sched_flag_list = SPEC_WORDS(sched_flag_words);

static const struct spec_field scheduler_rows[] = {
	SPEC_ROW(struct spec_scheduler, "policy", STRING, spec_field_word, policy,
		 .arg = &policy_list, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_scheduler, "nice", NUMBER, spec_field_i32, nice, .min = -20,
		 .max = 19),
	SPEC_ROW(struct spec_scheduler, "priority", NUMBER, spec_field_i32, priority, .max = 99),
	SPEC_ROW(struct spec_scheduler, "flags", ARRAY, spec_field_flags, flags,
		 .arg = &sched_flag_list),
	SPEC_ROW(struct spec_scheduler, "runtime", NUMBER, spec_field_u64, runtime),
	SPEC_ROW(struct spec_scheduler, "deadline", NUMBER, spec_field_u64, deadline),
	SPEC_ROW(struct spec_scheduler, "period", NUMBER, spec_field_u64, period),
};
static const struct spec_table scheduler_table = SPEC_TABLE(scheduler_rows);

static const struct spec_word ioprio_words[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};
static const struct spec_words ioprio_list = SPEC_WORDS(ioprio_words);

static const struct spec_field ioprio_rows[] = {
	SPEC_ROW(struct spec_process, "class", STRING, spec_field_word, io_priority_class,
		 .arg = &ioprio_list, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_process, "priority", NUMBER, spec_field_i32, io_priority, .max = 7,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table ioprio_table = SPEC_TABLE(ioprio_rows);

static const struct spec_field affinity_rows[] = {
	SPEC_ROW(struct spec_process, "initial", STRING, spec_field_cpu_list,
		 exec_cpu_affinity_initial),
	SPEC_ROW(struct spec_process, "final", STRING, spec_field_cpu_list,
		 exec_cpu_affinity_final),
};
static const struct spec_table affinity_table = SPEC_TABLE(affinity_rows);

/* ---- process ---- */

/* cwd and args are demanded by spec_check_process, with the texts that callers match. */
static const struct spec_field process_rows[] = {
	SPEC_ROW(struct spec_process, "terminal", BOOL, spec_field_bool, terminal),
	SPEC_ROW_OF("consoleSize", OBJECT, spec_field_object, .arg = &console_table,
		    .has = offsetof(struct spec_process, has_console_size)),
	SPEC_ROW(struct spec_process, "user", OBJECT, spec_field_object, user, .arg = &user_table),
	SPEC_ROW(struct spec_process, "args", ARRAY, spec_field_strings, args,
		 .max = SPEC_ARGS_MAX),
	SPEC_ROW(struct spec_process, "env", ARRAY, spec_field_strings, env, .max = SPEC_ARGS_MAX),
	SPEC_ROW(struct spec_process, "cwd", STRING, spec_field_string, cwd, .max = PATH_MAX - 1),
	SPEC_ROW(struct spec_process, "capabilities", OBJECT, spec_field_object, caps,
		 .arg = &caps_table, .has = offsetof(struct spec_process, caps.given)),
	SPEC_ROW_LIST(struct spec_process, "rlimits", ARRAY, spec_field_list, rlimits, n_rlimits,
		      .arg = &rlimits),
	SPEC_ROW(struct spec_process, "noNewPrivileges", BOOL, spec_field_bool, no_new_privileges),
	SPEC_ROW(struct spec_process, "apparmorProfile", STRING, spec_field_string,
		 apparmor_profile, .max = PATH_MAX - 1, .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_process, "selinuxLabel", STRING, spec_field_string, selinux_label,
		 .max = PATH_MAX - 1, .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_process, "oomScoreAdj", NUMBER, spec_field_i32, oom_score_adj,
		 .min = -1000, .max = 1000,
		 .has = offsetof(struct spec_process, has_oom_score_adj)),
	SPEC_ROW(struct spec_process, "scheduler", OBJECT, spec_field_object, scheduler,
		 .arg = &scheduler_table, .has = offsetof(struct spec_process, scheduler.given)),
	SPEC_ROW_OF("ioPriority", OBJECT, spec_field_object, .arg = &ioprio_table,
		    .has = offsetof(struct spec_process, has_io_priority)),
	SPEC_ROW_OF("execCPUAffinity", OBJECT, spec_field_object, .arg = &affinity_table),
	SPEC_ROW_OF("commandLine", STRING, spec_field_platform),
};

static int finish_process(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_process *process = base;

	(void)r;
	(void)seen;
	process->given = true;
	return 0;
}

const struct spec_table spec_table_process = SPEC_TABLE(process_rows, .finish = finish_process);
