/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resctrl. See rdt.h.
 */
#include "runtime/rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"

#define SCHEMATA_MAX 16384
#define STATUS_MAX 512

#ifdef THOLE_TEST
/* A directory of the tests has not what the kernel puts into a group. */
static bool is_fake(void)
{
	return getenv("THOLE_TEST_RESCTRL") != NULL;
}

static int open_flags(void)
{
	return is_fake() ? O_CREAT | O_APPEND : 0;
}

static void remove_fake_files(const char *dir)
{
	static const char *const names[] = { "tasks", "schemata" };
	char path[PATH_MAX];

	if (!is_fake())
		return;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, names[i]) < sizeof(path))
			(void)unlink(path);
	if ((size_t)snprintf(path, sizeof(path), "%s/mon_groups", dir) < sizeof(path))
		(void)rmdir(path);
}

static void make_fake_dirs(const char *dir)
{
	char path[PATH_MAX];

	if (is_fake() && (size_t)snprintf(path, sizeof(path), "%s/mon_groups", dir) < sizeof(path))
		(void)!mkdir(path, 0755);
}
#else
#define open_flags() 0
#define remove_fake_files(dir) ((void)(dir))
#define make_fake_dirs(dir) ((void)(dir))
#endif

/* ---- comparing ---- */

/* "0=7ff;1=0x3" or "0=100": the value of that domain in a line, false if there is none. Numbers are
 * compared as hexadecimal, decimal ones are then as equal as they were. */
static bool domain_value(const char *domains, uint64_t domain, uint64_t *ret)
{
	char part[64], *equals;

	for (const char *s = domains; *s;) {
		size_t n = strcspn(s, ";\n");
		uint64_t id;

		s += strspn(s, " ");
		n = strcspn(s, ";\n");
		if (n < sizeof(part)) {
			memcpy(part, s, n);
			part[n] = '\0';
			equals = strchr(part, '=');
			if (equals) {
				const char *value = equals + 1;

				*equals = '\0';
				if (str_starts_with(value, "0x"))
					value += 2;
				if (parse_u64(part, 10, &id) == 0 && id == domain)
					return parse_u64(value, 16, ret) == 0;
			}
		}
		if (s[n] != ';')
			return false;
		s += n + 1;
	}
	return false;
}

/* The domains of the resource that the first n bytes name. */
static const char *find_resource(const char *schemata, const char *name, size_t n)
{
	for (const char *s = schemata; s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL) {
		s += strspn(s, " \t");
		if (strncmp(s, name, n) == 0 && s[n] == ':')
			return s + n + 1;
	}
	return NULL;
}

bool rdt_line_matches(const char *schemata, const char *line)
{
	const char *name = line + strspn(line, " ");
	const char *colon = strchr(name, ':'), *have;

	have = colon ? find_resource(schemata, name, (size_t)(colon - name)) : NULL;
	if (!have || !colon[1])
		return false;
	for (const char *s = colon + 1; *s;) {
		size_t n = strcspn(s, ";");
		uint64_t wanted, found, id;
		char number[24];
		size_t digits;

		s += strspn(s, " ");
		n = strcspn(s, ";");
		digits = strspn(s, "0123456789");
		if (digits == 0 || digits >= sizeof(number))
			return false;
		memcpy(number, s, digits);
		number[digits] = '\0';
		if (parse_u64(number, 10, &id) < 0 || !domain_value(s, id, &wanted) ||
		    !domain_value(have, id, &found) || wanted != found)
			return false;
		s += n + (s[n] == ';');
	}
	return true;
}

/* ---- files of a group ---- */

static int open_file(const char *dir, const char *name, int flags, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "resctrl group \"%s\"", dir);
	fd = fd_open(path, flags | O_NOFOLLOW, 0600);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

/* One line a write: a resource that is named twice in one write is refused by the kernel, while
 * later lines are to win. */
static int write_line(int fd, const char *line)
{
	char text[SCHEMATA_MAX];
	int n = snprintf(text, sizeof(text), "%s\n", line);
	ssize_t w;

	if (n < 0 || (size_t)n >= sizeof(text))
		return -E2BIG;
	do
		w = write(fd, text, (size_t)n);
	while (w < 0 && errno == EINTR);
	return w < 0 ? -errno : 0;
}

/* The kernel's own words about what it has refused. */
static void last_status(const char *root, char *buf, size_t size)
{
	char path[PATH_MAX];

	buf[0] = '\0';
	if (!root ||
	    (size_t)snprintf(path, sizeof(path), "%s/info/last_cmd_status", root) >= sizeof(path))
		return;
	if (io_read_small(AT_FDCWD, path, buf, size) < 0 || str_eq(buf, "ok"))
		buf[0] = '\0';
}

static int write_schemata(const struct plan_rdt *plan, struct err *err)
{
	CLEANUP_FD int fd = open_file(plan->clos, "schemata", O_WRONLY | open_flags(), err);
	char status[STATUS_MAX];

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < plan->lines.n; i++) {
		int r = write_line(fd, plan->lines.v[i]);

		if (r >= 0)
			continue;
		last_status(plan->root, status, sizeof(status));
		return err_sysn(err, r, "linux.intelRdt: write \"%s\" to \"%s/schemata\"%s%s",
				plan->lines.v[i], plan->clos, *status ? ": " : "", status);
	}
	return 0;
}

static int read_schemata(const char *clos, char *buf, size_t size, struct err *err)
{
	CLEANUP_FD int fd = open_file(clos, "schemata", O_RDONLY, err);
	size_t n = 0;
	ssize_t r = 1;

	if (fd < 0)
		return fd;
	while (n < size - 1 && r != 0) {
		r = read(fd, buf + n, size - 1 - n);
		if (r < 0 && errno != EINTR)
			return err_sys(err, "read \"%s/schemata\"", clos);
		n += r > 0 ? (size_t)r : 0;
	}
	buf[n] = '\0';
	return 0;
}

static int compare(const struct plan_rdt *plan, struct err *err)
{
	char have[SCHEMATA_MAX];
	int r = plan->lines.n ? read_schemata(plan->clos, have, sizeof(have), err) : 0;

	for (size_t i = 0; r >= 0 && i < plan->lines.n; i++)
		if (!rdt_line_matches(have, plan->lines.v[i]))
			r = err_set(err, EINVAL,
				    "linux.intelRdt: \"%s\" exists and its schemata is not \"%s\"",
				    plan->clos, plan->lines.v[i]);
	return r;
}

/* ---- making and removing ---- */

static bool is_directory(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void rdt_from_plan(const struct plan_rdt *plan, struct rdt *ret)
{
	*ret = (struct rdt){ 0 };
	if (!plan)
		return;
	ret->clos = plan->clos;
	ret->mon = plan->mon;
	ret->remove_clos = plan->own && !is_directory(plan->clos);
}

static int make_clos(const struct plan_rdt *plan, struct rdt_made *made, struct err *err)
{
	char status[STATUS_MAX];

	if (is_directory(plan->clos))
		return compare(plan, err);
	if (!plan->may_create)
		return err_set(err, ENOENT,
			       "linux.intelRdt.closID: \"%s\" does not exist, and no schema is "
			       "given to make it with",
			       plan->clos);
	if (mkdir(plan->clos, 0755) < 0) {
		int code = errno;

		last_status(plan->root, status, sizeof(status));
		return err_sysn(err, -code, "linux.intelRdt: mkdir \"%s\"%s%s", plan->clos,
				*status ? ": " : "", status);
	}
	made->clos = true;
	make_fake_dirs(plan->clos);
	/* None given: the kernel's default, everything, stays (OCI: then nothing is written). */
	return plan->lines.n ? write_schemata(plan, err) : 0;
}

int rdt_create(const struct plan_rdt *plan, struct rdt_made *made, struct err *err)
{
	int r = make_clos(plan, made, err);

	if (r < 0 || !plan->mon)
		return r;
	if (mkdir(plan->mon, 0755) < 0) {
		if (errno == EEXIST)
			return err_set(err, EBUSY,
				       "linux.intelRdt.enableMonitoring: \"%s\" exists already",
				       plan->mon);
		return err_sys(err, "linux.intelRdt.enableMonitoring: mkdir \"%s\"", plan->mon);
	}
	made->mon = true;
	return 0;
}

static int remove_group(const char *dir, struct err *err)
{
	remove_fake_files(dir);
	if (rmdir(dir) < 0 && errno != ENOENT)
		return err_sys(err, "remove resctrl group \"%s\"", dir);
	return 0;
}

void rdt_undo(const struct rdt *rdt, const struct rdt_made *made)
{
	struct err err = { 0 };

	if (made->mon && remove_group(rdt->mon, &err) < 0)
		log_warning("%s", err.msg);
	if (made->clos && remove_group(rdt->clos, &err) < 0)
		log_warning("%s", err.msg);
}

int rdt_remove(const struct rdt *rdt, struct err *err)
{
	int r = rdt->mon ? remove_group(rdt->mon, err) : 0;

	if (r >= 0 && rdt->clos && rdt->remove_clos)
		r = remove_group(rdt->clos, err);
	return r;
}

/* ---- members, new values ---- */

static int add_to(const char *dir, pid_t pid, struct err *err)
{
	CLEANUP_FD int fd = open_file(dir, "tasks", O_WRONLY | open_flags(), err);
	char number[24];
	int r;

	if (fd < 0)
		return fd;
	snprintf(number, sizeof(number), "%d", (int)pid);
	r = write_line(fd, number);
	return r < 0 ? err_sysn(err, r, "linux.intelRdt: write %s to \"%s/tasks\"", number, dir)
		     : 0;
}

int rdt_add(const struct rdt *rdt, pid_t pid, struct err *err)
{
	int r = rdt->clos ? add_to(rdt->clos, pid, err) : 0;

	/* The monitoring group takes only members of its class. */
	if (r >= 0 && rdt->mon)
		r = add_to(rdt->mon, pid, err);
	return r;
}

/* Line by line, what the kernel does not take (it was its own text) does not matter any more. */
static void restore(int fd, char *old)
{
	char *save = NULL;

	for (char *line = strtok_r(old, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (write_line(fd, line + strspn(line, " ")) < 0)
			log_debug("resctrl takes \"%s\" no more", line);
}

int rdt_update(const struct rdt *rdt, const char *l3, const char *bandwidth, struct err *err)
{
	const char *const lines[] = { l3, bandwidth };
	char old[SCHEMATA_MAX];
	int r = read_schemata(rdt->clos, old, sizeof(old), err);
	CLEANUP_FD int fd = -EBADF;

	if (r >= 0)
		r = fd = open_file(rdt->clos, "schemata", O_WRONLY | open_flags(), err);
	for (size_t i = 0; r >= 0 && i < ARRAY_COUNT(lines); i++) {
		r = lines[i] ? write_line(fd, lines[i]) : 0;
		if (r < 0)
			r = err_sysn(err, r, "write \"%s\" to \"%s/schemata\"", lines[i],
				     rdt->clos);
	}
	if (r < 0 && fd >= 0)
		restore(fd, old);
	return r < 0 ? r : 0;
}
