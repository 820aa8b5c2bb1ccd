// SPDX-License-Identifier: Apache-2.0
// Runtime options: runc's message, or TOML in a foreign runtime's; and the runtime they choose.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/str.h"
#include "shim/front_task.h"
#include "shim/options.pb-c.h"
#include "shim/ttrpc.h"

#define TOML_MAX (1u << 20)

static void from_runc(const Thole__Options__Runc *m, struct arena *arena,
		      struct front_options_runc *ret)
{
	ret->given = true;
	ret->no_pivot_root = m->no_pivot_root;
	ret->no_new_keyring = m->no_new_keyring;
	ret->systemd_cgroup = m->systemd_cgroup;
	ret->shim_cgroup = arena_strdup(arena, m->shim_cgroup);
	ret->binary_name = arena_strdup(arena, m->binary_name);
	ret->root = arena_strdup(arena, m->root);
	ret->criu_path = arena_strdup(arena, m->criu_path);
	ret->criu_work_path = arena_strdup(arena, m->criu_work_path);
	ret->io_uid = m->io_uid;
	ret->io_gid = m->io_gid;
}

/* ---- TOML: top-level KEY = VALUE lines with strings, booleans and integers ---- */

struct toml {
	const char *at, *end;
	unsigned int line;
	struct arena *arena;
	struct front_options_runc *o;
};

static void skip_blanks(struct toml *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\r'))
		t->at++;
}

static void skip_line(struct toml *t)
{
	while (t->at < t->end && *t->at != '\n')
		t->at++;
}

/* A string from its quote on; NULL: not ended on this line. */
static char *toml_string(struct toml *t)
{
	char quote = *t->at++, *text, *to;
	const char *p = t->at;

	while (p < t->end && *p != quote && *p != '\n')
		p += quote == '"' && *p == '\\' && p + 1 < t->end ? 2 : 1;
	if (p >= t->end || *p != quote)
		return NULL;
	text = to = arena_alloc(t->arena, (size_t)(p - t->at) + 1);
	for (const char *s = t->at; s < p; s++) {
		if (quote == '"' && *s == '\\') {
			s++;
			*to++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	t->at = p + 1;
	return text;
}

static char *toml_word(struct toml *t)
{
	const char *from = t->at;

	while (t->at < t->end && (isalnum((unsigned char)*t->at) || strchr("_-+.", *t->at)))
		t->at++;
	return arena_strndup(t->arena, from, (size_t)(t->at - from));
}

/* BinaryName and binary_name are the same key to us. */
static bool key_is(const char *key, const char *name)
{
	for (; *key && *name; key++) {
		if (*key == '_')
			continue;
		if (tolower((unsigned char)*key) != tolower((unsigned char)*name))
			return false;
		name++;
	}
	return !*key && !*name;
}

static int wrong_type(struct toml *t, const char *key, const char *type, struct err *err)
{
	return err_set(err, EINVAL, "runtime options, line %u: \"%s\" must be %s", t->line, key,
		       type);
}

static int set_value(struct toml *t, const char *key, const char *text, bool quoted,
		     struct err *err)
{
	struct front_options_runc *o = t->o;
	const struct {
		const char *name, **value;
	} strings[] = { { "BinaryName", &o->binary_name },
			{ "Root", &o->root },
			{ "ShimCgroup", &o->shim_cgroup },
			{ "CriuWorkPath", &o->criu_work_path } };
	const struct {
		const char *name;
		bool *value;
	} bools[] = { { "SystemdCgroup", &o->systemd_cgroup },
		      { "NoPivotRoot", &o->no_pivot_root },
		      { "NoNewKeyring", &o->no_new_keyring } };
	const struct {
		const char *name;
		uint32_t *value;
	} numbers[] = { { "IoUid", &o->io_uid },
			{ "IoGid", &o->io_gid },
			{ "SpoolSize", &o->spool.size } };

	for (size_t i = 0; i < ARRAY_COUNT(strings); i++) {
		if (!key_is(key, strings[i].name))
			continue;
		*strings[i].value = text;
		return quoted ? 0 : wrong_type(t, key, "a string", err);
	}
	for (size_t i = 0; i < ARRAY_COUNT(bools); i++) {
		if (!key_is(key, bools[i].name))
			continue;
		*bools[i].value = str_eq(text, "true");
		return !quoted && (str_eq(text, "true") || str_eq(text, "false"))
			       ? 0
			       : wrong_type(t, key, "true or false", err);
	}
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
		if (key_is(key, numbers[i].name))
			return !quoted && parse_u32(text, 10, numbers[i].value) == 0
				       ? 0
				       : wrong_type(t, key, "a number", err);
	if (key_is(key, "SpoolFull")) {
		o->spool.drops = str_eq(text, "drop");
		return quoted && (o->spool.drops || str_eq(text, "block"))
			       ? 0
			       : wrong_type(t, key, "\"block\" or \"drop\"", err);
	}
	return 0;
}

static int toml_pair(struct toml *t, struct err *err)
{
	bool quoted = *t->at == '"' || *t->at == '\'';
	char *key = quoted ? toml_string(t) : toml_word(t);
	char *value;

	skip_blanks(t);
	if (!key || !*key || t->at >= t->end || *t->at != '=')
		return err_set(err, EINVAL, "runtime options, line %u: not KEY = VALUE", t->line);
	t->at++;
	skip_blanks(t);
	quoted = t->at < t->end && (*t->at == '"' || *t->at == '\'');
	value = quoted ? toml_string(t) : toml_word(t);
	if (!value)
		return err_set(err, EINVAL, "runtime options, line %u: the string does not end",
			       t->line);
	return set_value(t, key, value, quoted, err);
}

int front_toml_parse(const char *text, size_t n, struct arena *arena,
		     struct front_options_runc *ret, struct err *err)
{
	struct toml t = { .at = text, .end = text + n, .arena = arena, .o = ret };
	bool top = true;
	int r = 0;

	for (t.line = 1; t.at < t.end && r == 0; t.line++) {
		skip_blanks(&t);
		if (t.at < t.end && *t.at == '[')
			top = false; /* a table: none of the keys we know */
		else if (top && t.at < t.end && *t.at != '#' && *t.at != '\n')
			r = toml_pair(&t, err);
		skip_line(&t);
		if (t.at < t.end)
			t.at++;
	}
	return r;
}

static int from_foreign(const Thole__Options__Foreign *m, struct arena *arena,
			struct front_options_runc *ret, struct err *err)
{
	char *data = (char *)m->config_body.data;
	size_t n = m->config_body.len;
	int r;

	if (n == 0 && !m->config_path[0])
		return 0;
	if (n == 0) {
		r = io_read_file(AT_FDCWD, m->config_path, TOML_MAX, arena, &data, &n);
		if (r < 0)
			return err_sysn(err, r, "read \"%s\"", m->config_path);
	}
	ret->given = true;
	return front_toml_parse(data, n, arena, ret, err);
}

int front_options_parse(const char *type, const void *data, size_t n, struct arena *arena,
			struct front_options_runc *ret, struct err *err)
{
	const char *slash = type ? strrchr(type, '/') : NULL;
	const char *name = slash ? slash + 1 : type;
	const ProtobufCMessageDescriptor *d = NULL;
	ProtobufCMessage *m;
	int r = 0;

	*ret = (struct front_options_runc){ .spool.size = FRONT_SPOOL_DEFAULT };
	if (!name)
		return 0;
	if (str_eq(name, "containerd.runc.v1.Options"))
		d = &thole__options__runc__descriptor;
	else if (str_eq(name, "runtimeoptions.v1.Options"))
		d = &thole__options__foreign__descriptor;
	if (!d)
		return 0;
	m = ttrpc_unpack(d, data, n);
	if (!m)
		return err_set(err, EINVAL, "runtime options of type \"%s\" cannot be decoded",
			       type);
	if (d == &thole__options__runc__descriptor)
		from_runc((const Thole__Options__Runc *)m, arena, ret);
	else
		r = from_foreign((const Thole__Options__Foreign *)m, arena, ret, err);
	protobuf_c_message_free_unpacked(m, NULL);
	if (r == 0 && ret->spool.size > FRONT_SPOOL_MAX)
		return err_set(err, EINVAL, "runtime options: SpoolSize is above %u",
			       FRONT_SPOOL_MAX);
	return r;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static const char *in_path(const char *name, struct arena *arena)
{
	const char *path = getenv("PATH");

	for (const char *dir = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"; *dir;) {
		size_t n = strcspn(dir, ":");
		char *full = arena_printf(arena, "%.*s/%s", (int)n, dir, name);

		if (dir[0] == '/' && is_program(full))
			return full;
		dir += n + (dir[n] == ':');
	}
	return NULL;
}

const char *front_runtime_find(const struct front_options_runc *o, struct arena *arena)
{
	char self[PATH_MAX], *slash, *full;
	ssize_t n;

	if (o->binary_name && strchr(o->binary_name, '/'))
		return arena_strdup(arena, o->binary_name);
	if (o->binary_name && o->binary_name[0])
		return in_path(o->binary_name, arena);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		*slash = '\0';
		full = arena_printf(arena, "%s/thole", self);
		if (is_program(full))
			return full;
	}
	return in_path("thole", arena);
}
