// SPDX-License-Identifier: Apache-2.0
// Arguments, standard input of `start`, config.json's few fields, the socket's name.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/path.h"
#include "common/str.h"
#include "shim/front_task.h"
#include "shim/options.pb-c.h"
#include "shim/ttrpc.h"

/* "-x", "--x" or "-x=V" against a name. Returns the value after "=", "" if there is none. */
static const char *match(const char *arg, const char *name)
{
	size_t n = strlen(name);

	arg += arg[1] == '-' ? 2 : 1;
	if (strncmp(arg, name, n) != 0 || (arg[n] && arg[n] != '='))
		return NULL;
	return arg + n;
}

static bool is_true(const char *value)
{
	return !*value || str_eq(value, "=true") || str_eq(value, "=1") || str_eq(value, "=t") ||
	       str_eq(value, "=T") || str_eq(value, "=TRUE") || str_eq(value, "=True");
}

static enum front_action action_of(const char *word)
{
	if (str_eq(word, "start"))
		return FRONT_START;
	return str_eq(word, "delete") ? FRONT_DELETE : FRONT_NO_ACTION;
}

int front_args_parse(int argc, char **argv, struct front_args *ret, struct err *err)
{
	struct front_args a = { .ns = "",
				.address = "",
				.publish_binary = "",
				.id = "",
				.bundle = "",
				.socket = "",
				.action = FRONT_NO_ACTION };
	const char *debug_socket = "";
	const struct {
		const char *name, **value;
	} flags[] = {
		{ "namespace", &a.ns },
		{ "address", &a.address },
		{ "id", &a.id },
		{ "publish-binary", &a.publish_binary },
		{ "bundle", &a.bundle },
		{ "socket", &a.socket },
		{ "debug-socket", &debug_socket },
	};
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *value;
		size_t f;

		if (str_eq(argv[i], "--")) {
			i++;
			break;
		}
		value = match(argv[i], "debug");
		if (value) {
			a.debug = is_true(value);
			continue;
		}
		value = match(argv[i], "info");
		if (value && is_true(value))
			a.action = FRONT_INFO;
		if (match(argv[i], "v") || match(argv[i], "version"))
			a.action = FRONT_VERSION;
		for (f = 0; f < ARRAY_COUNT(flags); f++) {
			value = match(argv[i], flags[f].name);
			if (value)
				break;
		}
		if (f == ARRAY_COUNT(flags))
			continue;
		if (!*value && ++i >= argc)
			return err_set(err, EINVAL, "flag needs an argument: -%s", flags[f].name);
		*flags[f].value = *value ? value + 1 : argv[i];
	}
	if (i < argc && a.action == FRONT_NO_ACTION)
		a.action = action_of(argv[i]);
	*ret = a;
	return 0;
}

static void keep_any(const Google__Protobuf__Any *any, struct arena *arena, struct front_boot *boot)
{
	void *copy;

	if (!any || !any->type_url[0])
		return;
	boot->options_type = arena_strdup(arena, any->type_url);
	copy = arena_alloc(arena, any->value.len + 1);
	if (any->value.len)
		memcpy(copy, any->value.data, any->value.len);
	boot->options = copy;
	boot->options_len = any->value.len;
}

static bool is_options_type(const char *type)
{
	const char *slash = strrchr(type, '/');

	type = slash ? slash + 1 : type;
	return str_eq(type, "containerd.runc.v1.Options") ||
	       str_eq(type, "runtimeoptions.v1.Options");
}

static void keep_params(const Thole__Options__BootstrapParams *m, struct arena *arena,
			struct front_boot *boot)
{
	boot->structured = true;
	if (m->socket_dir[0])
		boot->socket_dir = arena_strdup(arena, m->socket_dir);
	if (m->containerd_ttrpc_address[0])
		boot->ttrpc_address = arena_strdup(arena, m->containerd_ttrpc_address);
	for (size_t i = 0; i < m->n_extensions; i++) {
		const Google__Protobuf__Any *any = m->extensions[i]->value;

		if (any && is_options_type(any->type_url))
			keep_any(any, arena, boot);
	}
}

int front_boot_parse(const void *data, size_t n, const struct front_args *args, struct arena *arena,
		     struct front_boot *ret, struct err *err)
{
	Thole__Options__BootstrapParams *params;
	Google__Protobuf__Any *any;

	*ret = (struct front_boot){ 0 };
	if (n == 0)
		return 0;
	params = (Thole__Options__BootstrapParams *)ttrpc_unpack(
		&thole__options__bootstrap_params__descriptor, data, n);
	/* An Any also decodes as BootstrapParams, its type as the id. */
	if (params && str_eq(params->instance_id, args->id) && str_eq(params->namespace_, args->ns))
		keep_params(params, arena, ret);
	if (params)
		protobuf_c_message_free_unpacked(&params->base, NULL);
	if (ret->structured)
		return 0;
	any = (Google__Protobuf__Any *)ttrpc_unpack(&google__protobuf__any__descriptor, data, n);
	if (!any)
		return err_set(err, EINVAL,
			       "standard input is neither runtime options nor "
			       "bootstrap parameters");
	keep_any(any, arena, ret);
	protobuf_c_message_free_unpacked(&any->base, NULL);
	return 0;
}

static bool has_own_pid_ns(const struct json *linux_part)
{
	json_each (ns, json_get(linux_part, "namespaces")) {
		const char *type = ns->type == JSON_OBJECT ? json_str(ns, "type") : NULL;
		const char *path = ns->type == JSON_OBJECT ? json_str(ns, "path") : NULL;

		if (type && str_eq(type, "pid"))
			return !path || !path[0];
	}
	return false;
}

void front_spec_parse(const struct json *config, struct arena *arena, struct front_spec *ret)
{
	static const char *const groups[] = { "io.containerd.runc.v2.group",
					      "io.kubernetes.cri.sandbox-id",
					      "io.kubernetes.cri-o.SandboxID" };
	const struct json *annotations, *linux_part;
	const char *path;

	*ret = (struct front_spec){ 0 };
	if (!config || config->type != JSON_OBJECT)
		return;
	annotations = json_get(config, "annotations");
	linux_part = json_get(config, "linux");
	if (annotations && annotations->type != JSON_OBJECT)
		annotations = NULL;
	for (size_t i = 0; annotations && !ret->group && i < ARRAY_COUNT(groups); i++) {
		const char *group = json_str(annotations, groups[i]);

		if (group && group[0])
			ret->group = arena_strdup(arena, group);
	}
	if (annotations) {
		const char *size = json_str(annotations, "io.thole.spool-size");
		const char *full = json_str(annotations, "io.thole.spool-full");

		ret->spool_size = size ? arena_strdup(arena, size) : NULL;
		ret->spool_full = full ? arena_strdup(arena, full) : NULL;
	}
	if (!linux_part || linux_part->type != JSON_OBJECT)
		return;
	path = json_str(linux_part, "cgroupsPath");
	ret->cgroups_path = path ? arena_strdup(arena, path) : NULL;
	ret->own_pid_ns = has_own_pid_ns(linux_part);
}

void front_spec_read(const char *bundle, struct arena *arena, struct front_spec *ret)
{
	CLEANUP_ARENA struct arena tmp = { 0 };
	struct json *json = NULL;
	char *data;
	size_t n;

	*ret = (struct front_spec){ 0 };
	if (io_read_file(AT_FDCWD, arena_printf(&tmp, "%s/config.json", bundle), JSON_BYTES_MAX,
			 &tmp, &data, &n) < 0 ||
	    json_parse(&tmp, data, n, &json, NULL) < 0)
		return;
	front_spec_parse(json, arena, ret);
}

int front_spool_choose(const struct front_spec *spec, struct front_options_spool *spool,
		       struct err *err)
{
	if (spec->spool_size &&
	    (parse_u32(spec->spool_size, 10, &spool->size) < 0 || spool->size > FRONT_SPOOL_MAX))
		return err_set(err, EINVAL,
			       "annotation \"io.thole.spool-size\": \"%s\" is no number up to %u",
			       spec->spool_size, FRONT_SPOOL_MAX);
	if (!spec->spool_full)
		return 0;
	spool->drops = str_eq(spec->spool_full, "drop");
	if (!spool->drops && !str_eq(spec->spool_full, "block"))
		return err_set(err, EINVAL,
			       "annotation \"io.thole.spool-full\": \"%s\" is neither \"block\" "
			       "nor \"drop\"",
			       spec->spool_full);
	return 0;
}

bool front_is_systemd_path(const char *path)
{
	const char *first = path ? strchr(path, ':') : NULL;

	return first && !strchr(path, '/') && strchr(first + 1, ':');
}

int front_socket_address(const char *dir, const struct front_args *args, const char *group,
			 char *buf, size_t size)
{
	CLEANUP_STR struct str name = { 0 };
	char clean[4096], hex[SHA256_HEX];
	int n;

	/* As Go's filepath.Join: empty parts are left out, the rest is cleaned. */
	for (int i = 0; i < 3; i++) {
		const char *part = i == 0 ? args->address : i == 1 ? args->ns : group;

		if (part[0])
			str_addf(&name, "%s%s", name.len ? "/" : "", part);
	}
	if (name.data && name.data[0] == '/') {
		if (path_clean(name.data, clean, sizeof(clean)) < 0)
			return -ENAMETOOLONG;
		sha256_hex(clean, strlen(clean), hex);
	} else {
		sha256_hex(name.data ? name.data : "", name.len, hex);
	}
	n = snprintf(buf, size, "unix://%s/%s", dir, hex);
	/* The path must fit into sun_path. */
	return n < 0 || (size_t)n >= size || n - 7 > 106 ? -ENAMETOOLONG : 0;
}

int front_read_stdin(struct arena *arena, char **ret_data, size_t *ret_len, struct err *err)
{
	struct stat st;
	int r;

	*ret_data = NULL;
	*ret_len = 0;
	if (fstat(STDIN_FILENO, &st) < 0 ||
	    !(S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)))
		return 0;
	r = io_read_fd(STDIN_FILENO, FRONT_TASK_STDIN_MAX, arena, ret_data, ret_len);
	return r < 0 ? err_sysn(err, r, "read standard input") : 0;
}
