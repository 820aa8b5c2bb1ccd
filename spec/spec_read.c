/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers: JSON text -> tree -> tables -> checks. Warnings are given only when everything was
 * read, so that a refused configuration leaves one line in the log.
 */
#include "spec/spec_read.h"

#include <errno.h>
#include <string.h>

#include "common/io.h"
#include "common/log.h"
#include "spec/spec_table.h"

/* One identifier list of SemVer: [0-9A-Za-z-]+ separated by dots; numeric ones have no leading zero
 * where `numbers` asks so. Returns its end, NULL if it is malformed. */
static const char *semver_identifiers(const char *s, bool numbers)
{
	static const char digits[] = "0123456789";
	static const char letters[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

	for (;; s++) {
		size_t n = strspn(s, letters);

		if (n == 0 || (numbers && n > 1 && s[0] == '0' && strspn(s, digits) == n))
			return NULL;
		s += n;
		if (*s != '.')
			return s;
	}
}

/* SemVer 2.0; *ret_major gets the first digits' place and length. */
static bool is_semver(const char *s, size_t *ret_major)
{
	for (int part = 0; part < 3; part++) {
		size_t n = strspn(s, "0123456789");

		if (n == 0 || (n > 1 && s[0] == '0'))
			return false;
		if (part == 0)
			*ret_major = n;
		s += n;
		if (part < 2 && *s++ != '.')
			return false;
	}
	if (*s == '-')
		s = semver_identifiers(s + 1, true);
	if (s && *s == '+')
		s = semver_identifiers(s + 1, false);
	return s && *s == '\0';
}

/* Any 1.x.y: the spec keeps a major version compatible, and newer callers send newer minors. */
static int read_version(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field)
{
	size_t major = 0;

	(void)field;
	if (v->count == 0)
		return spec_fail(r, "must not be empty");
	if (!is_semver(v->string, &major))
		return spec_fail_value(r, v->string, "not a semantic version");
	if (major != 1 || v->string[0] != '1')
		return spec_fail_value(r, v->string, "unsupported, this runtime knows 1.x");
	*(const char **)out = v->string;
	return 1;
}

static const struct spec_field root_rows[] = {
	SPEC_ROW(struct spec, "path", STRING, spec_field_string, root_path, .max = PATH_MAX - 1,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec, "readonly", BOOL, spec_field_bool, root_readonly),
};
static const struct spec_table root_table = SPEC_TABLE(root_rows);

static const struct spec_list mount_list = { &spec_table_mount, sizeof(struct spec_mount) };

static const struct spec_field config_rows[] = {
	SPEC_ROW(struct spec, "ociVersion", STRING, read_version, oci_version,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW_OF("root", OBJECT, spec_field_object, .arg = &root_table, .flags = SPEC_REQUIRED),
	/* HOST_NAME_MAX, the length of both fields of struct new_utsname */
	SPEC_ROW(struct spec, "hostname", STRING, spec_field_string, hostname, .max = HOST_NAME_MAX,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec, "domainname", STRING, spec_field_string, domainname,
		 .max = HOST_NAME_MAX, .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec, "process", OBJECT, spec_field_object, process,
		 .arg = &spec_table_process),
	SPEC_ROW_LIST(struct spec, "mounts", ARRAY, spec_field_list, mounts, n_mounts,
		      .max = SPEC_MOUNTS_MAX, .arg = &mount_list),
	SPEC_ROW(struct spec, "hooks", OBJECT, spec_field_object, hooks, .arg = &spec_table_hooks),
	SPEC_ROW(struct spec, "annotations", OBJECT, spec_field_map, annotations,
		 .max = SPEC_MAP_MAX),
	SPEC_ROW(struct spec, "linux", OBJECT, spec_field_object, linux_, .arg = &spec_table_linux,
		 .has = offsetof(struct spec, linux_.given)),
	SPEC_ROW_OF("windows", TYPE_N, spec_field_platform),
	SPEC_ROW_OF("solaris", TYPE_N, spec_field_platform),
	SPEC_ROW_OF("vm", TYPE_N, spec_field_platform),
	SPEC_ROW_OF("freebsd", TYPE_N, spec_field_platform),
	SPEC_ROW_OF("zos", TYPE_N, spec_field_platform),
};
const struct spec_table spec_table_config = SPEC_TABLE(config_rows);

static void warn_notice(const struct spec_notice *notice, const char *text)
{
	CLEANUP_STR struct str names = { 0 };
	size_t shown = MIN(notice->n, (size_t)SPEC_NOTICE_MAX);

	if (notice->n == 0)
		return;
	for (size_t i = 0; i < shown; i++)
		str_addf(&names, "%s%.64s", i > 0 ? ", " : "", notice->names[i]);
	if (notice->n > shown)
		str_addf(&names, " and %zu more", notice->n - shown);
	log_warning("%s: %s", text, names.data);
}

static void warn_all(const struct spec_reader *r)
{
	warn_notice(&r->platform, "ignoring properties of other platforms");
	warn_notice(&r->caps, "ignoring unknown capabilities");
	warn_notice(&r->relative, "relative mount destinations are taken from /");
}

/* pids.limit 0 became a value with 1.3; callers of earlier versions write it for "no limit" (podman 4
 * for --pids-limit -1) and their containers could not fork. */
static void drop_old_pids_zero(struct spec *spec)
{
	const char *minor = spec->oci_version + strlen("1.");

	if (spec->linux_.resources.pids_limit == 0 && *minor < '3' && minor[1] == '.')
		spec->linux_.resources.has_pids_limit = false;
}

int spec_read(struct arena *arena, const char *data, size_t n, struct spec **ret, struct err *err)
{
	struct json *tree;
	int rc = json_parse(arena, data, n, &tree, err);

	return rc < 0 ? err_wrap(err, "config.json") : spec_read_tree(arena, tree, ret, err);
}

int spec_read_tree(struct arena *arena, const struct json *tree, struct spec **ret, struct err *err)
{
	struct spec_reader r = { .arena = arena, .err = err };
	struct spec *spec;
	int rc;

	if (tree->type == JSON_NULL)
		return err_set(err, EINVAL, "config cannot be null");
	if (tree->type != JSON_OBJECT)
		return err_set(err, EINVAL, "the configuration must be an object, not %s",
			       json_type_name(tree->type));
	spec = ARENA_NEW(arena, struct spec);
	rc = spec_table_read(&r, &spec_table_config, tree, spec);
	if (rc == 0)
		rc = spec_check(spec, err);
	if (rc < 0)
		return rc;
	drop_old_pids_zero(spec);
	warn_all(&r);
	*ret = spec;
	return 0;
}

int spec_read_file(struct arena *arena, int dirfd, const char *path, struct spec **ret,
		   const char **ret_text, size_t *ret_len, struct err *err)
{
	size_t len = 0;
	char *text = NULL;
	int rc = io_read_file(dirfd, path, JSON_BYTES_MAX, arena, &text, &len);

	if (rc == -ENOENT)
		return err_set(err, ENOENT, "JSON specification file %s not found", path);
	if (rc == -EFBIG)
		return err_set(err, EFBIG, "%s: larger than %u bytes", path, JSON_BYTES_MAX);
	if (rc < 0)
		return err_sysn(err, rc, "read \"%s\"", path);
	rc = spec_read(arena, text, len, ret, err);
	if (rc < 0)
		return rc;
	if (ret_text)
		*ret_text = text;
	if (ret_len)
		*ret_len = len;
	return 0;
}

/* A part of a configuration that comes alone; the paths in errors begin with its name. */
static int read_part(struct spec_reader *r, const char *name, const struct spec_table *table,
		     const char *data, size_t n, void *base)
{
	struct json *tree;
	int rc = json_parse(r->arena, data, n, &tree, r->err);

	if (rc < 0)
		return rc;
	spec_path_push(r, name);
	rc = spec_table_read(r, table, tree, base);
	if (rc < 0)
		return rc;
	spec_path_pop(r);
	return 0;
}

int spec_read_process(struct arena *arena, const char *data, size_t n, struct spec_process **ret,
		      struct err *err)
{
	struct spec_reader r = { .arena = arena, .err = err };
	struct spec_process *process = ARENA_NEW(arena, struct spec_process);
	int rc = read_part(&r, "process", &spec_table_process, data, n, process);

	if (rc == 0)
		rc = spec_check_process(process, "process", err);
	if (rc < 0)
		return rc;
	warn_all(&r);
	*ret = process;
	return 0;
}

int spec_read_resources(struct arena *arena, const char *data, size_t n,
			struct spec_resources **ret, struct err *err)
{
	struct spec_reader r = { .arena = arena, .err = err };
	struct spec_resources *resources = ARENA_NEW(arena, struct spec_resources);
	int rc = read_part(&r, "resources", &spec_table_resources, data, n, resources);

	if (rc < 0)
		return rc;
	warn_all(&r);
	*ret = resources;
	return 0;
}
