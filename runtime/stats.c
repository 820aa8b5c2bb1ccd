/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of the kernel's files and the walk over the hierarchies. See stats.h.
 */
#include "runtime/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

#define STATS_FILE_MAX (4u << 20)
/* Of a list "0-N": more is no machine. */
#define LIST_MAX 65536

/* ---- parsers ---- */

/* The next line, cut to its words; false at the end. Words beyond the room are left out. */
struct words {
	const char *v[32];
	size_t n;
};

static char *next_line(char **text)
{
	return strsep(text, "\n");
}

static void split(char *line, const char *separators, struct words *ret)
{
	char *save = NULL;

	ret->n = 0;
	for (char *w = strtok_r(line, separators, &save); w && ret->n < ARRAY_COUNT(ret->v);
	     w = strtok_r(NULL, separators, &save))
		ret->v[ret->n++] = w;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

uint64_t stats_parse_number(const char *text)
{
	size_t n = strcspn(text, " \n");
	char digits[32];
	uint64_t value;

	if (n >= sizeof(digits))
		return 0;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (str_eq(digits, "max"))
		return UINT64_MAX;
	return parse_u64(digits, 10, &value) < 0 ? 0 : value;
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct stats_pair *)a)->key, ((const struct stats_pair *)b)->key);
}

void stats_parse_pairs(struct arena *arena, const char *text, struct stats_pairs *ret)
{
	char *rest = arena_strdup(arena, text), *line;

	ret->v = ARENA_ARRAY(arena, count_lines(text), struct stats_pair);
	ret->n = 0;
	while ((line = next_line(&rest))) {
		struct stats_pair pair;
		struct words w;

		split(line, " ", &w);
		if (w.n != 2 || parse_u64(w.v[1], 10, &pair.value) < 0)
			continue;
		pair.key = w.v[0];
		ret->v[ret->n++] = pair;
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_pairs);
}

uint64_t stats_pair_value(const struct stats_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (str_eq(pairs->v[i].key, key))
			return pairs->v[i].value;
	return 0;
}

void stats_parse_numbers(struct arena *arena, const char *text, struct stats_numbers *ret)
{
	/* Every number but the last has a separator after it. */
	ret->v = ARENA_ARRAY(arena, strlen(text) / 2 + 1, uint64_t);
	ret->n = 0;
	while (*text) {
		size_t n = strcspn(text, " \n");

		if (n)
			ret->v[ret->n++] = stats_parse_number(text);
		text += n + (text[n] != '\0');
	}
}

/* "3" or "0-2"; false if it is neither. */
static bool parse_range(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
	size_t first = strspn(text, "0123456789"), second;

	if (!first || first > 9)
		return false;
	*ret_from = *ret_to = 0;
	for (size_t i = 0; i < first; i++)
		*ret_from = *ret_from * 10 + (uint64_t)(text[i] - '0');
	*ret_to = *ret_from;
	if (text[first] != '-')
		return true;
	text += first + 1;
	second = strspn(text, "0123456789");
	if (!second || second > 9)
		return false;
	*ret_to = 0;
	for (size_t i = 0; i < second; i++)
		*ret_to = *ret_to * 10 + (uint64_t)(text[i] - '0');
	return true;
}

void stats_parse_list(struct arena *arena, const char *text, struct stats_numbers *ret)
{
	uint64_t from, to;
	size_t total = 0;

	for (const char *p = text; *p; p += strcspn(p, ","), p += *p == ',')
		if (parse_range(p, &from, &to) && to >= from && to < LIST_MAX)
			total += (size_t)(to - from + 1);
	total = MIN(total, (size_t)LIST_MAX);
	ret->v = ARENA_ARRAY(arena, total, uint64_t);
	ret->n = 0;
	for (const char *p = text; *p; p += strcspn(p, ","), p += *p == ',') {
		if (!parse_range(p, &from, &to) || to >= LIST_MAX)
			continue;
		for (; from <= to && ret->n < total; from++)
			ret->v[ret->n++] = from;
	}
}

void stats_parse_usage_all(struct arena *arena, const char *text, size_t column,
			   struct stats_numbers *ret)
{
	char *rest = arena_strdup(arena, text), *line;

	ret->v = ARENA_ARRAY(arena, count_lines(text), uint64_t);
	ret->n = 0;
	while ((line = next_line(&rest))) {
		uint64_t value;
		struct words w;

		split(line, " ", &w);
		if (w.n > column && parse_u64(w.v[column], 10, &value) >= 0)
			ret->v[ret->n++] = value;
	}
}

/* "8:0"; false if it is no device number. */
static bool parse_device(const char *word, struct stats_blkio_entry *entry)
{
	const char *colon = strchr(word, ':');
	char major[16];

	if (!colon || (size_t)(colon - word) >= sizeof(major))
		return false;
	memcpy(major, word, (size_t)(colon - word));
	major[colon - word] = '\0';
	return parse_u64(major, 10, &entry->major) >= 0 &&
	       parse_u64(colon + 1, 10, &entry->minor) >= 0;
}

void stats_parse_blkio(struct arena *arena, const char *text, struct stats_blkio_list *ret)
{
	char *rest = arena_strdup(arena, text), *line;

	ret->v = ARENA_ARRAY(arena, count_lines(text), struct stats_blkio_entry);
	ret->n = 0;
	while ((line = next_line(&rest))) {
		struct stats_blkio_entry *e = &ret->v[ret->n];
		struct words w;

		split(line, " ", &w);
		if (w.n < 2 || w.n > 3 || !parse_device(w.v[0], e) ||
		    parse_u64(w.v[w.n - 1], 10, &e->value) < 0)
			continue;
		e->op = w.n == 3 ? w.v[1] : "";
		ret->n++;
	}
}

static const struct {
	const char *key, *op;
	bool bytes;
} io_stat_keys[] = {
	{ "rbytes", "Read", true }, { "wbytes", "Write", true },   { "rios", "Read", false },
	{ "wios", "Write", false }, { "dbytes", "Discard", true }, { "dios", "Discard", false },
};

static void add_io_item(const struct stats_blkio_entry *device, const char *item,
			struct stats_blkio_list *bytes, struct stats_blkio_list *ops)
{
	const char *equals = strchr(item, '=');
	uint64_t value;

	if (!equals || parse_u64(equals + 1, 10, &value) < 0)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(io_stat_keys); i++) {
		const char *key = io_stat_keys[i].key;
		struct stats_blkio_list *list = io_stat_keys[i].bytes ? bytes : ops;

		if (strlen(key) != (size_t)(equals - item) || memcmp(key, item, strlen(key)) != 0)
			continue;
		list->v[list->n] = *device;
		list->v[list->n].op = io_stat_keys[i].op;
		list->v[list->n++].value = value;
	}
}

void stats_parse_io_stat(struct arena *arena, const char *text, struct stats_blkio_list *ret_bytes,
			 struct stats_blkio_list *ret_ops)
{
	char *rest = arena_strdup(arena, text), *line;
	/* Two words are at least four bytes apart: "a=1 ". */
	size_t room = strlen(text) / 4 + 1;

	ret_bytes->v = ARENA_ARRAY(arena, room, struct stats_blkio_entry);
	ret_ops->v = ARENA_ARRAY(arena, room, struct stats_blkio_entry);
	ret_bytes->n = ret_ops->n = 0;
	while ((line = next_line(&rest))) {
		struct stats_blkio_entry device = { 0 };
		struct words w;

		split(line, " ", &w);
		if (!w.n || !parse_device(w.v[0], &device))
			continue;
		for (size_t i = 1; i < w.n; i++)
			add_io_item(&device, w.v[i], ret_bytes, ret_ops);
	}
}

/* Value of `key` in the words of a pressure line, without the zeros that JSON does not need. */
static const char *psi_average(struct arena *arena, const struct words *w, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 1; i < w->n; i++) {
		const char *text = w->v[i] + n + 1;
		size_t digits, len;

		if (strncmp(w->v[i], key, n) != 0 || w->v[i][n] != '=')
			continue;
		digits = strspn(text, "0123456789");
		len = digits;
		if (digits && text[digits] == '.')
			len += 1 + strspn(text + digits + 1, "0123456789");
		if (!digits || text[len])
			break;
		while (len > digits && (text[len - 1] == '0' || text[len - 1] == '.'))
			len--;
		return arena_strndup(arena, text, len);
	}
	return "0";
}

static void parse_psi_line(struct arena *arena, const struct words *w, struct stats_psi_line *ret)
{
	struct stats_psi_line line = {
		.avg10 = psi_average(arena, w, "avg10"),
		.avg60 = psi_average(arena, w, "avg60"),
		.avg300 = psi_average(arena, w, "avg300"),
	};

	for (size_t i = 1; i < w->n; i++)
		if (str_starts_with(w->v[i], "total="))
			line.total = stats_parse_number(w->v[i] + 6);
	if (line.total || !str_eq(line.avg10, "0") || !str_eq(line.avg60, "0") ||
	    !str_eq(line.avg300, "0"))
		*ret = line;
}

void stats_parse_psi(struct arena *arena, const char *text, struct stats_psi *ret)
{
	char *rest = arena_strdup(arena, text), *line;

	*ret = (struct stats_psi){ 0 };
	while ((line = next_line(&rest))) {
		struct words w;

		split(line, " ", &w);
		if (!w.n)
			continue;
		if (str_eq(w.v[0], "some"))
			parse_psi_line(arena, &w, &ret->some);
		else if (str_eq(w.v[0], "full"))
			parse_psi_line(arena, &w, &ret->full);
		else
			continue;
		ret->given = true;
	}
}

/* ---- files ---- */

/* Missing with the controller, the option or the whole cgroup; EOPNOTSUPP: pressure turned off. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP;
}

int stats_file(const struct stats_reader *r, const char *file, const char **ret)
{
	char *text;
	size_t n;
	int res = io_read_file(r->fd, file, STATS_FILE_MAX, r->arena, &text, &n);

	*ret = "";
	if (is_absent(res))
		return 1;
	if (res < 0)
		return err_sysn(r->err, res, "read \"%s/%s\"", r->dir, file);
	*ret = text;
	return 0;
}

int stats_file_number(const struct stats_reader *r, const char *file, uint64_t *ret)
{
	const char *text;
	int res = stats_file(r, file, &text);

	*ret = res < 0 ? 0 : stats_parse_number(text);
	return res;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int stats_page_sizes(const struct stats_reader *r, const char *suffix, const char *const **ret)
{
	enum { SIZES_MAX = 32 };
	const char **v = ARENA_ARRAY(r->arena, SIZES_MAX + 1, const char *);
	int fd = fd_openat(r->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	size_t n = 0;

	*ret = v;
	if (!dir) {
		int code = fd < 0 ? fd : -errno;

		fd_close(fd);
		return is_absent(code) ? 0 : err_sysn(r->err, code, "list \"%s\"", r->dir);
	}
	while (n < SIZES_MAX && (e = readdir(dir))) {
		const char *size = e->d_name + strlen("hugetlb.");
		size_t len;

		if (!str_starts_with(e->d_name, "hugetlb."))
			continue;
		len = strcspn(size, ".");
		if (str_eq(size + len, suffix))
			v[n++] = arena_strndup(r->arena, size, len);
	}
	closedir(dir);
	qsort(v, n, sizeof(*v), compare_texts);
	return 0;
}

/* ---- hierarchies ---- */

/* A hierarchy that has several controllers is opened once: 0 and *ret_found, or -errno. */
static int read_v1_dir(struct stats_reader *r, const struct cgroup_path *p)
{
	int res = 0;

	for (const char *c = p->controllers; res >= 0 && *c;) {
		size_t n = strcspn(c, ",");

		res = stats_v1_read(r, arena_strndup(r->arena, c, n));
		c += n + (c[n] == ',');
	}
	return res;
}

/* Without the pids controller: as many as are in it. */
static int count_pids(const struct stats_reader *r, const struct cgroup *cg)
{
	pid_t *pids;
	size_t n;
	int res;

	if (r->stats->pids.current)
		return 0;
	res = cgroup_pids(r->arena, cg, &pids, &n, r->err);
	r->stats->pids.current = res < 0 ? 0 : n;
	return res;
}

int stats_read(struct arena *arena, const struct cgroup *cg, struct stats *ret, struct err *err)
{
	struct stats_reader r = { .arena = arena, .stats = ret, .err = err };
	const char *v1 = "";
	bool found = false;
	int res = 0;

	*ret = (struct stats){ 0 };
	for (size_t i = 0; i < cg->n; i++)
		if (!cg->v[i].v2)
			v1 = arena_printf(arena, "%s%s,", v1, cg->v[i].controllers);
	for (size_t i = 0; res >= 0 && i < cg->n; i++) {
		CLEANUP_FD int fd = fd_open(cg->v[i].path, O_RDONLY | O_DIRECTORY, 0);

		if (is_absent(fd))
			continue;
		if (fd < 0)
			return err_sysn(err, fd, "open cgroup \"%s\"", cg->v[i].path);
		found = true;
		r.dir = cg->v[i].path;
		r.fd = fd;
		res = cg->v[i].v2 ? stats_v2_read(&r, v1) : read_v1_dir(&r, &cg->v[i]);
	}
	if (res < 0)
		return res;
	if (!found)
		return err_set(err, ENOENT, "the container has no cgroup");
	return count_pids(&r, cg);
}
