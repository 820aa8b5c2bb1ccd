/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process part of the plan.
 */
#include "runtime/plan_process.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>

#include "common/log.h"
#include "runtime/annotations.h"
#include "spec/spec_read.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static uint64_t known_caps(const struct host *host)
{
	return host->last_cap >= 63 ? UINT64_MAX : (1ULL << (host->last_cap + 1)) - 1;
}

/* *set &= allowed; what is taken away is remembered in *lost. */
static void caps_limit(uint64_t *set, uint64_t allowed, uint64_t *lost)
{
	*lost |= *set & ~allowed;
	*set &= allowed;
}

static void warn_lost_caps(const char *where, uint64_t lost)
{
	CLEANUP_STR struct str names = { 0 };

	for (int cap = 0; cap < 64; cap++) {
		const char *name;

		if (!(lost >> cap & 1))
			continue;
		name = spec_capability_name(cap);
		if (names.len)
			str_add(&names, ", ");
		if (name)
			str_add(&names, name);
		else
			str_addf(&names, "%d", cap);
	}
	/* OCI: unknown or ungrantable capabilities are a warning, the process goes on. */
	if (lost)
		log_warning("%s: cannot be granted, ignored: %s", where, names.data);
}

static void plan_caps(struct plan_creds *creds, const struct spec *spec,
		      const struct spec_caps *asked, const struct host *host)
{
	/* In a user namespace init holds everything; else only what the caller has to give. */
	uint64_t grantable = spec_namespace(spec, CLONE_NEWUSER)
				     ? known_caps(host)
				     : host->own_caps & known_caps(host);
	uint64_t lost = 0, lost_ambient = 0;

	if (!asked->given)
		return;
	creds->bounding = asked->bounding;
	creds->permitted = asked->permitted;
	creds->effective = asked->effective;
	creds->inheritable = asked->inheritable;
	creds->ambient = asked->ambient;
	caps_limit(&creds->bounding, grantable, &lost);
	caps_limit(&creds->permitted, grantable, &lost);
	/* What capset(2) and prctl(PR_CAP_AMBIENT) would refuse: capabilities(7), "Transformation
	 * of capabilities" and the rules of capset. */
	caps_limit(&creds->effective, creds->permitted, &lost);
	caps_limit(&creds->inheritable, creds->bounding, &lost);
	caps_limit(&creds->ambient, creds->permitted & creds->inheritable, &lost_ambient);
	warn_lost_caps("process.capabilities", lost);
	/* Apart: buildah asks for ambient ones that are not inheritable; the other sets have them. */
	warn_lost_caps("process.capabilities.ambient", lost_ambient & ~lost);
}

static int plan_creds(struct arena *arena, struct plan_creds *creds, const struct spec *spec,
		      const struct spec_process *process, const struct host *host,
		      const struct plan_request *request, struct err *err)
{
	const char *keep = spec_annotation(spec, ANNOTATION_KEEP_GROUPS);

	creds->uid = process->user.uid;
	creds->gid = process->user.gid;
	creds->gids = process->user.additional_gids;
	creds->n_gids = process->user.n_additional_gids;
	creds->skip_setgroups = keep && str_eq(keep, "1");
	creds->has_umask = process->user.has_umask;
	creds->umask = process->user.umask;
	creds->no_new_privs = process->no_new_privileges;
	if (!request->no_new_keyring)
		creds->keyring = arena_printf(arena, "_ses.%s", request->id);
	if (host->euid != 0 && creds->n_gids && !creds->skip_setgroups)
		return err_set(err, EPERM,
			       "cannot set any additional groups in a rootless container");
	plan_caps(creds, spec, &process->caps, host);
	return 0;
}

static const struct {
	const char *word;
	unsigned int flag;
} filter_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

static int plan_seccomp_flags(struct plan_seccomp *plan, const struct spec_seccomp *spec,
			      struct err *err)
{
	/* Without a list: no speculation mitigations, as runc has it since the kernel stopped
	 * asking for them (5.16). */
	if (!spec->has_flags)
		plan->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < spec->flags.n; i++) {
		size_t row = 0;

		while (row < ARRAY_COUNT(filter_flags) &&
		       !str_eq(filter_flags[row].word, spec->flags.v[i]))
			row++;
		if (row == ARRAY_COUNT(filter_flags))
			return err_set(err, EINVAL, "linux.seccomp.flags[%zu]: unknown \"%s\"", i,
				       spec->flags.v[i]);
		plan->flags |= filter_flags[row].flag;
	}
	/* The kernel knows this flag only together with a listener. */
	if (!plan->has_notify)
		plan->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}

/* init calls these after the filter is in force; nobody could answer for the listener's fd has not
 * been handed over, or the container would hang before its program. */
static bool init_needs(const char *syscall_name)
{
	static const char *const needed[] = { "read", "write", "execve" };

	for (size_t i = 0; i < ARRAY_COUNT(needed); i++)
		if (str_eq(needed[i], syscall_name))
			return true;
	return false;
}

static int plan_notify(struct plan_seccomp *plan, const struct spec_seccomp *spec, struct err *err)
{
	if (str_eq(spec->default_action, "SCMP_ACT_NOTIFY"))
		return err_set(err, EINVAL,
			       "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as "
			       "default action");
	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct spec_seccomp_rule *rule = &spec->rules[i];

		if (!str_eq(rule->action, "SCMP_ACT_NOTIFY"))
			continue;
		plan->has_notify = true;
		for (size_t k = 0; k < rule->names.n; k++)
			if (init_needs(rule->names.v[k]))
				return err_set(err, EINVAL,
					       "linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY "
					       "cannot be used for the %s syscall",
					       i, rule->names.v[k]);
	}
	if (plan->has_notify && !spec->listener_path)
		return err_set(err, EINVAL,
			       "linux.seccomp.listenerPath: must be set with SCMP_ACT_NOTIFY");
	return 0;
}

static int plan_seccomp(struct arena *arena, struct plan_seccomp *plan,
			const struct spec_seccomp *spec, const struct plan_request *request,
			struct err *err)
{
	const char *slash = request->state_dir ? strrchr(request->state_dir, '/') : NULL;
	int r;

	if (!spec->given)
		return 0;
	plan->spec = spec;
	if (slash)
		plan->cache_dir =
			arena_printf(arena, "%.*s/.cache/seccomp",
				     (int)(slash - request->state_dir), request->state_dir);
	r = plan_notify(plan, spec, err);
	if (r < 0)
		return r;
	return plan_seccomp_flags(plan, spec, err);
}

static int plan_lsm(struct plan_lsm *plan, const struct spec_process *process,
		    const struct host *host, struct err *err)
{
	const char *profile = process->apparmor_profile, *label = process->selinux_label;

	if (profile && *profile) {
		/* Everything is unconfined where there is no AppArmor. */
		if (!host->apparmor && !str_eq(profile, "unconfined"))
			return err_set(err, ENOTSUP,
				       "process.apparmorProfile: \"%s\" is specified in config, "
				       "but apparmor is disabled or not supported",
				       profile);
		plan->apparmor = host->apparmor ? profile : NULL;
	}
	if (label && *label) {
		if (!host->selinux)
			return err_set(err, ENOTSUP,
				       "selinux label is specified in config, but selinux is "
				       "disabled or not supported");
		plan->selinux = label;
	}
	return 0;
}

static void plan_console(struct plan_process *plan, const struct spec_process *process)
{
	plan->terminal = process->terminal;
	/* OCI: the size is ignored without a terminal. Its range is the spec reader's. */
	if (!process->terminal || !process->has_console_size)
		return;
	plan->has_console_size = true;
	plan->console_height = (uint16_t)process->console_height;
	plan->console_width = (uint16_t)process->console_width;
}

int plan_process_build(struct arena *arena, const struct spec *spec,
		       const struct spec_process *process, const struct host *host,
		       const struct plan_request *request, struct plan_process **ret,
		       struct err *err)
{
	struct plan_process *plan = ARENA_NEW(arena, struct plan_process);
	int r;

	if (!process->cwd)
		return err_set(err, EINVAL, "Cwd property must not be empty");
	if (process->args.n == 0)
		return err_set(err, EINVAL, "args must not be empty");
	plan->args = process->args;
	plan->env = process->env;
	plan->cwd = process->cwd;
	plan->rlimits = process->rlimits;
	plan->n_rlimits = process->n_rlimits;
	plan->rlimits_by_init = !(host->own_caps >> CAP_SYS_RESOURCE & 1);
	plan->has_oom_score_adj = process->has_oom_score_adj;
	plan->oom_score_adj = process->oom_score_adj;
	plan->scheduler = process->scheduler;
	plan->has_io_priority = process->has_io_priority;
	plan->io_priority_class = process->io_priority_class;
	plan->io_priority = process->io_priority;

	plan_console(plan, process);
	r = plan_creds(arena, &plan->creds, spec, process, host, request, err);
	if (r >= 0)
		r = plan_seccomp(arena, &plan->seccomp, &spec->linux_.seccomp, request, err);
	if (r >= 0)
		r = plan_lsm(&plan->lsm, process, host, err);
	if (r < 0)
		return r;
	*ret = plan;
	return 0;
}

static void print_caps(const char *name, uint64_t set, struct str *out)
{
	str_addf(out, "  caps.%s %#" PRIx64 "\n", name, set);
}

static void print_creds(const struct plan_creds *creds, struct str *out)
{
	str_addf(out, "  user %u:%u", creds->uid, creds->gid);
	for (size_t i = 0; i < creds->n_gids; i++)
		str_addf(out, "%s%u", i ? "," : " groups ", creds->gids[i]);
	str_add(out, creds->skip_setgroups ? " keep-groups\n" : "\n");
	if (creds->has_umask)
		str_addf(out, "  umask %04o\n", creds->umask);
	print_caps("bounding", creds->bounding, out);
	print_caps("effective", creds->effective, out);
	print_caps("permitted", creds->permitted, out);
	print_caps("inheritable", creds->inheritable, out);
	print_caps("ambient", creds->ambient, out);
	if (creds->no_new_privs)
		str_add(out, "  no_new_privs\n");
	if (creds->keyring)
		str_addf(out, "  keyring %s\n", creds->keyring);
}

static void print_strings(const char *name, const struct spec_strings *strings, struct str *out)
{
	for (size_t i = 0; i < strings->n; i++) {
		str_addf(out, "  %s[%zu] ", name, i);
		str_add_quoted(out, strings->v[i]);
		str_add_char(out, '\n');
	}
}

static void print_scheduling(const struct plan_process *plan, struct str *out)
{
	const struct spec_scheduler *s = &plan->scheduler;

	if (s->given)
		str_addf(out,
			 "  scheduler policy %u nice %d priority %d flags %#" PRIx64
			 " runtime %" PRIu64 " deadline %" PRIu64 " period %" PRIu64 "\n",
			 s->policy, s->nice, s->priority, s->flags, s->runtime, s->deadline,
			 s->period);
	if (plan->has_io_priority)
		str_addf(out, "  io_priority class %d level %d\n", plan->io_priority_class,
			 plan->io_priority);
}

void plan_process_print(const struct plan_process *plan, struct str *out)
{
	str_add(out, "process\n");
	print_strings("args", &plan->args, out);
	print_strings("env", &plan->env, out);
	str_addf(out, "  cwd %s\n", plan->cwd);
	if (plan->terminal)
		str_add(out, "  terminal\n");
	if (plan->has_console_size)
		str_addf(out, "  console %ux%u\n", plan->console_width, plan->console_height);
	print_creds(&plan->creds, out);
	for (size_t i = 0; i < plan->n_rlimits; i++)
		str_addf(out, "  rlimit %s soft %" PRIu64 " hard %" PRIu64 "\n",
			 plan->rlimits[i].type, plan->rlimits[i].soft, plan->rlimits[i].hard);
	if (plan->n_rlimits && plan->rlimits_by_init)
		str_add(out, "  rlimits by init\n");
	if (plan->has_oom_score_adj)
		str_addf(out, "  oom_score_adj %d\n", plan->oom_score_adj);
	print_scheduling(plan, out);
	if (plan->lsm.apparmor)
		str_addf(out, "  apparmor %s\n", plan->lsm.apparmor);
	if (plan->lsm.selinux)
		str_addf(out, "  selinux %s\n", plan->lsm.selinux);
	if (plan->seccomp.spec)
		str_addf(out, "  seccomp default %s rules %zu flags %#x%s\n",
			 plan->seccomp.spec->default_action, plan->seccomp.spec->n_rules,
			 plan->seccomp.flags, plan->seccomp.has_notify ? " notify" : "");
}
