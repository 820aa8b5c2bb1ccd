/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds and prints the whole plan. See plan.h.
 */
#include "runtime/plan.h"

#include <errno.h>
#include <sys/personality.h>

#include "runtime/idmap.h"
#include "runtime/notify.h"
#include "spec/spec_docs.h"

/* What the spec allows and this build cannot do yet: refused by name, so that no property is
 * silently ignored. A row goes when the feature comes. */
static bool has_personality_flags(const struct spec *spec)
{
	return spec->linux_.personality_flags.n > 0;
}

static const struct unsupported {
	const char *json_path;
	bool (*is_asked)(const struct spec *spec);
} unsupported[] = {
	{ "linux.personality.flags", has_personality_flags },
};

static int refuse_unsupported(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < ARRAY_COUNT(unsupported); i++)
		if (unsupported[i].is_asked(spec))
			return err_set(err, EOPNOTSUPP, "%s: not supported yet",
				       unsupported[i].json_path);
	return 0;
}

static int parse_span(const char **at, unsigned long *ret)
{
	unsigned long v = 0;
	const char *s = *at;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned long)(*s - '0');
		if (v > 1u << 20)
			return -EINVAL;
	}
	*at = s;
	*ret = v;
	return 0;
}

int plan_parse_list(const char *text, unsigned long *bits, size_t n_bits)
{
	const size_t word = 8 * sizeof(*bits);

	memset(bits, 0, n_bits / 8);
	while (*text) {
		unsigned long from, to;

		if (parse_span(&text, &from) < 0)
			return -EINVAL;
		to = from;
		if (*text == '-' && (text++, parse_span(&text, &to) < 0))
			return -EINVAL;
		if (to < from || to >= n_bits)
			return -EINVAL;
		for (unsigned long i = from; i <= to; i++)
			bits[i / word] |= 1ul << (i % word);
		if (*text == ',' && text[1])
			text++;
		else if (*text)
			return -EINVAL;
	}
	return 0;
}

static int add_memory_policy(const struct spec *spec, struct plan *plan, struct err *err)
{
	const struct spec_memory_policy *policy = &spec->linux_.memory_policy;
	struct plan_memory_policy *ret = &plan->memory_policy;

	if (!policy->given)
		return 0;
	ret->given = true;
	ret->mode = policy->mode | (int)policy->flags;
	if (!policy->nodes || !*policy->nodes)
		return 0;
	if (plan_parse_list(policy->nodes, ret->nodes, 8 * sizeof(ret->nodes)) < 0)
		return err_set(err, EINVAL, "linux.memoryPolicy.nodes: invalid list \"%s\"",
			       policy->nodes);
	ret->max_node = 8 * sizeof(ret->nodes);
	return 0;
}

static int add_cpus(const char *text, const char *name, struct plan_cpus *ret, struct err *err)
{
	_Static_assert(sizeof(ret->set) % sizeof(unsigned long) == 0, "a cpu set is whole words");

	if (!text || !*text)
		return 0;
	if (plan_parse_list(text, (unsigned long *)(void *)&ret->set, 8 * sizeof(ret->set)) < 0)
		return err_set(err, EINVAL, "process.execCPUAffinity.%s: invalid list \"%s\"", name,
			       text);
	ret->given = true;
	return 0;
}

static bool is_set(const struct spec_strings *env, const char *name, const char **ret_value)
{
	size_t n = strlen(name);

	for (size_t i = env->n; i > 0; i--)
		if (strncmp(env->v[i - 1], name, n) == 0 && env->v[i - 1][n] == '=') {
			*ret_value = env->v[i - 1] + n + 1;
			return true;
		}
	return false;
}

struct variable {
	const char *text;
	size_t name, at;
};

static int by_name(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	int r = strncmp(x->text, y->text, x->name < y->name ? x->name : y->name);

	if (r)
		return r;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* The last of a name is what counts, as in runc: exec's options and what the runtime adds come
 * after the configuration, and getenv(3) takes the first. */
static void drop_overridden(struct arena *arena, char **v, size_t n)
{
	struct variable *list = ARENA_ARRAY(arena, n, struct variable);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		list[i] = (struct variable){ v[i], strcspn(v[i], "="), i };
	qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; i + 1 < n; i++)
		if (list[i].name == list[i + 1].name &&
		    strncmp(list[i].text, list[i + 1].text, list[i].name) == 0)
			v[list[i].at] = NULL;
	for (size_t i = 0; i < n; i++)
		if (v[i])
			v[kept++] = v[i];
	v[kept] = NULL;
}

/* The configured list, then what the runtime adds, then the slot for HOME. */
static void add_env(struct arena *arena, const struct plan_input *in, struct plan *plan)
{
	const struct spec_strings *env = &plan->process->env;
	char **v = ARENA_ARRAY(arena, env->n + 5, char *);
	const char *home;
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++)
		v[n++] = env->v[i];
	if (plan->notify)
		v[n++] = arena_strdup(arena, "NOTIFY_SOCKET=" NOTIFY_INSIDE "/" NOTIFY_NAME);
	if (in->listen_fds) {
		v[n++] = arena_printf(arena, "LISTEN_FDS=%u", in->listen_fds);
		v[n++] = arena_strdup(arena, "LISTEN_PID=1");
	}
	if (!is_set(env, "HOME", &home) || !*home) {
		plan->home = arena_alloc(arena, PLAN_HOME_MAX);
		memcpy(plan->home, "HOME=/", sizeof("HOME=/"));
		v[n++] = plan->home;
	}
	drop_overridden(arena, v, n);
	plan->env = v;
	if (!is_set(env, "PATH", &plan->path_env))
		plan->path_env = NULL;
}

static const char *hook_state(struct arena *arena, const struct plan_input *in, const char *status)
{
	CLEANUP_STR struct str text = { 0 };
	struct spec_state state = {
		.id = in->request->id,
		.status = status,
		.bundle = in->request->bundle,
		.annotations = &in->spec->annotations,
	};

	spec_state_text(&text, &state);
	return arena_strdup(arena, text.data);
}

/* The states that init gives to its hooks are text before the clone: init cannot allocate. */
static void add_hooks(struct arena *arena, const struct plan_input *in, struct plan *plan)
{
	const struct spec_hook_list *hooks = in->spec->hooks;

	/* createContainer hooks are init's own, but what the parent does beside init comes first. */
	plan->hooks_sync = hooks[HOOK_PRESTART].n || hooks[HOOK_CREATE_RUNTIME].n ||
			   hooks[HOOK_CREATE_CONTAINER].n;
	if (hooks[HOOK_CREATE_CONTAINER].n)
		plan->creating_state = hook_state(arena, in, "creating");
	if (hooks[HOOK_START_CONTAINER].n)
		plan->created_state = hook_state(arena, in, "created");
}

static int build_common(struct arena *arena, const struct plan_input *in,
			const struct spec_process *process, struct plan *plan, struct err *err)
{
	struct plan_process *p;
	int r;

	plan->kind = in->kind;
	plan->request = in->request;
	plan->spec = in->spec;
	plan->keep_fds = in->listen_fds + in->preserve_fds;
	plan->notify = in->request->notify && spec_namespace(in->spec, CLONE_NEWNS);
	r = refuse_unsupported(in->spec, err);
	if (r < 0)
		return r;
	r = plan_ns_build(arena, in, &plan->ns, err);
	if (r < 0)
		return r;
	r = plan_process_build(arena, in->spec, process, in->host, in->request, &p, err);
	if (r < 0)
		return r;
	plan->process = p;
	plan->has_personality = in->spec->linux_.has_personality;
	plan->personality = in->spec->linux_.personality_linux32 ? PER_LINUX32 : PER_LINUX;
	add_env(arena, in, plan);
	return add_memory_policy(in->spec, plan, err);
}

static int check_console(const struct plan_input *in, bool terminal, struct err *err)
{
	const struct plan_request *req = in->request;

	if (req->detach && terminal && !req->console_socket)
		return err_set(err, EINVAL,
			       "cannot allocate tty if runc will detach without setting console "
			       "socket");
	if (req->console_socket && (!req->detach || !terminal))
		return err_set(err, EINVAL,
			       "cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

int plan_build(struct arena *arena, const struct plan_input *in, struct plan **ret, struct err *err)
{
	struct plan *plan = ARENA_NEW(arena, struct plan);
	struct plan_cgroup *cgroup;
	struct plan_mounts *mounts;
	int r;

	if (!in->spec->process.given)
		return err_set(err, EINVAL, "process property must not be empty");
	r = check_console(in, in->spec->process.terminal, err);
	if (r >= 0)
		r = build_common(arena, in, &in->spec->process, plan, err);
	if (r >= 0)
		r = plan_cgroup_build(arena, in->spec, in->host, in->request, &cgroup, err);
	if (r < 0)
		return r;
	plan->cgroup = cgroup;
	r = plan_mounts_build(arena, in->spec, in->host, in->request, cgroup, &mounts, err);
	if (r < 0)
		return r;
	plan->mounts = mounts;
	r = plan_rdt_build(arena, in->spec, in->host, in->request, &plan->rdt, err);
	if (r < 0)
		return r;
	plan->net_devices = in->spec->linux_.net_devices;
	plan->n_net_devices = in->spec->linux_.n_net_devices;
	add_hooks(arena, in, plan);
	*ret = plan;
	return 0;
}

int plan_build_exec(struct arena *arena, const struct plan_input *in, struct plan **ret,
		    struct err *err)
{
	struct plan *plan = ARENA_NEW(arena, struct plan);
	const struct spec_process *process = in->process;
	int r = check_console(in, process->terminal, err);

	if (r >= 0)
		r = build_common(arena, in, process, plan, err);
	if (r >= 0)
		r = add_cpus(process->exec_cpu_affinity_initial, "initial", &plan->cpus_initial,
			     err);
	if (r >= 0)
		r = add_cpus(process->exec_cpu_affinity_final, "final", &plan->cpus_final, err);
	if (r >= 0)
		*ret = plan;
	return r;
}

static void print_hooks(const struct plan *plan, struct str *out)
{
	static const char *const names[HOOK_KIND_N] = {
		"prestart",       "createRuntime", "createContainer",
		"startContainer", "poststart",     "poststop",
	};

	for (size_t kind = 0; kind < HOOK_KIND_N; kind++) {
		const struct spec_hook_list *list = &plan->spec->hooks[kind];

		for (size_t i = 0; i < list->n; i++)
			str_addf(out, "hook %s[%zu]: %s, timeout %d\n", names[kind], i,
				 list->v[i].path, list->v[i].timeout);
	}
}

static void print_own(const struct plan *plan, struct str *out)
{
	static const char *const kinds[] = { "create", "run", "exec" };

	str_addf(out, "plan: %s %s\n", kinds[plan->kind], plan->request->id);
	plan_ns_print(&plan->ns, out);
	if (plan->keep_fds)
		str_addf(out, "keep fds: 3 to %u\n", 2 + plan->keep_fds);
	for (char **v = plan->env; *v; v++)
		if (*v != plan->home)
			str_addf(out, "env: %s\n", *v);
	if (plan->home)
		str_add(out, "env: HOME from the container's passwd\n");
	if (plan->has_personality)
		str_addf(out, "personality: 0x%lx\n", plan->personality);
	if (plan->memory_policy.given)
		str_addf(out, "memory policy: mode 0x%x nodes 0x%lx\n",
			 (unsigned int)plan->memory_policy.mode, plan->memory_policy.nodes[0]);
	for (size_t i = 0; i < plan->n_net_devices; i++) {
		const struct spec_net_device *d = &plan->net_devices[i];

		str_addf(out, "network device: %s as %s\n", d->host_name,
			 d->name ? d->name : d->host_name);
	}
	print_hooks(plan, out);
}

void plan_print(const struct plan *plan, struct str *out)
{
	print_own(plan, out);
	plan_process_print(plan->process, out);
	if (plan->cgroup)
		plan_cgroup_print(plan->cgroup, out);
	if (plan->rdt)
		plan_rdt_print(plan->rdt, out);
	if (plan->mounts)
		plan_mounts_print(plan->mounts, out);
}
