// SPDX-License-Identifier: Apache-2.0
// Options of `start`, help, dispatch.
#include "shim/front_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/json.h"
#include "common/str.h"
#include "common/version.h"
#include "shim/client.h"
#include "shim/registry.h"
#include "shim/start.h"

#define RUNTIME_ARGS_MAX 128
#define FILES_DEFAULT 5

static const char usage[] =
	"usage: thole-shim start --id ID --bundle DIR [options]\n"
	"       thole-shim COMMAND [options] ID\n"
	"\n"
	"options of start:\n"
	"  --id ID                 name of the container\n"
	"  --bundle DIR            directory with config.json\n"
	"  --runtime PATH          OCI runtime (default: thole beside this program, or in PATH)\n"
	"  --runtime-root DIR      its --root\n"
	"  --runtime-arg ARG       passed to it before the command; may be repeated\n"
	"  --root DIR              where shims keep their state (default: /run/thole-shim)\n"
	"  --shim-cgroup PATH      cgroup for the shim itself\n"
	"  --log FILE|journald|syslog  the shim's own messages\n"
	"  --log-path FILE         the container's log (default: container.log in the bundle)\n"
	"  --pod NAMESPACE_NAME_UID --container NAME --attempt N\n"
	"                          log to /var/log/pods/NAMESPACE_NAME_UID/NAME/N.log\n"
	"  --log-format json|cri   (default: json)\n"
	"  --log-size-max BYTES    rotate the log at this size\n"
	"  --log-max-files N       files kept by rotation (default: 5)\n"
	"  --terminal              the container has a terminal\n"
	"  --stdin                 its input is kept open for attach\n"
	"  --pid-file FILE         gets the pid of its init\n"
	"  --exit-file FILE        gets the exit record\n"
	"  --lower DIR[:DIR...]    root filesystem: an overlay on these, changes below the "
	"bundle\n";

enum {
	OPT_ID = 256,
	OPT_BUNDLE,
	OPT_RUNTIME,
	OPT_RUNTIME_ROOT,
	OPT_RUNTIME_ARG,
	OPT_ROOT,
	OPT_SHIM_CGROUP,
	OPT_LOG,
	OPT_LOG_PATH,
	OPT_POD,
	OPT_CONTAINER,
	OPT_ATTEMPT,
	OPT_LOG_FORMAT,
	OPT_LOG_SIZE_MAX,
	OPT_LOG_MAX_FILES,
	OPT_TERMINAL,
	OPT_STDIN,
	OPT_PID_FILE,
	OPT_EXIT_FILE,
	OPT_LOWER,
	OPT_N
};

static const struct option options[] = {
	{ "id", required_argument, NULL, OPT_ID },
	{ "bundle", required_argument, NULL, OPT_BUNDLE },
	{ "runtime", required_argument, NULL, OPT_RUNTIME },
	{ "runtime-root", required_argument, NULL, OPT_RUNTIME_ROOT },
	{ "runtime-arg", required_argument, NULL, OPT_RUNTIME_ARG },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "shim-cgroup", required_argument, NULL, OPT_SHIM_CGROUP },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-path", required_argument, NULL, OPT_LOG_PATH },
	{ "pod", required_argument, NULL, OPT_POD },
	{ "container", required_argument, NULL, OPT_CONTAINER },
	{ "attempt", required_argument, NULL, OPT_ATTEMPT },
	{ "log-format", required_argument, NULL, OPT_LOG_FORMAT },
	{ "log-size-max", required_argument, NULL, OPT_LOG_SIZE_MAX },
	{ "log-max-files", required_argument, NULL, OPT_LOG_MAX_FILES },
	{ "terminal", no_argument, NULL, OPT_TERMINAL },
	{ "stdin", no_argument, NULL, OPT_STDIN },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "exit-file", required_argument, NULL, OPT_EXIT_FILE },
	{ "lower", required_argument, NULL, OPT_LOWER },
	{ NULL, 0, NULL, 0 },
};

struct parse {
	struct arena *arena;
	struct front_options *o;
	const char *value[OPT_N - OPT_ID]; /* of each option; "" for one without */
};

static const char *value_of(const struct parse *p, int option)
{
	return p->value[option - OPT_ID];
}

static int absolute(struct parse *p, int option, const char **ret, struct err *err)
{
	const char *path = value_of(p, option);
	char cwd[PATH_MAX];

	if (!path)
		return 0;
	if (!path[0])
		return err_set(err, EINVAL, "--%s: an empty path", options[option - OPT_ID].name);
	if (path[0] == '/') {
		*ret = arena_strdup(p->arena, path);
		return 0;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(err, "current directory");
	*ret = arena_printf(p->arena, "%s/%s", cwd, path);
	return 0;
}

/* getopt_long takes any beginning of a name that is unique today; the client commands do not, and a
 * new option would change what such a word means. */
static bool is_whole_name(const char *word, const char *name)
{
	size_t n = strlen(name);

	return str_starts_with(word, "--") && strncmp(word + 2, name, n) == 0 &&
	       (word[2 + n] == '\0' || word[2 + n] == '=');
}

static int parse_words(struct parse *p, int argc, char **argv, struct err *err)
{
	struct front_options *o = p->o;
	int c, at = 1;

	o->runtime_args = ARENA_ARRAY(p->arena, RUNTIME_ARGS_MAX, const char *);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	for (; (c = getopt_long(argc, argv, "+:", options, NULL)) != -1; at = optind) {
		if (c >= OPT_ID && !is_whole_name(argv[at], options[c - OPT_ID].name))
			return err_set(err, EINVAL, "unknown option \"%s\"", argv[at]);
		if (c == ':')
			return err_set(err, EINVAL, "option \"%s\" needs a value",
				       argv[optind - 1]);
		if (c == '?')
			return err_set(err, EINVAL, "unknown option \"%s\"", argv[optind - 1]);
		if (c == OPT_RUNTIME_ARG) {
			if (o->n_runtime_args == RUNTIME_ARGS_MAX)
				return err_set(err, E2BIG, "more than %d --runtime-arg",
					       RUNTIME_ARGS_MAX);
			o->runtime_args[o->n_runtime_args++] = arena_strdup(p->arena, optarg);
			continue;
		}
		p->value[c - OPT_ID] = optarg ? optarg : "";
	}
	if (optind < argc)
		return err_set(err, EINVAL, "unexpected argument \"%s\"", argv[optind]);
	return 0;
}

static int is_program(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int find_in_path(struct parse *p, const char *name, struct err *err)
{
	const char *path = getenv("PATH");

	for (const char *dir = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"; *dir;) {
		size_t n = strcspn(dir, ":");
		char *full = arena_printf(p->arena, "%.*s/%s", (int)n, dir, name);

		if (dir[0] == '/' && is_program(full)) {
			p->o->runtime = full;
			return 0;
		}
		dir += n + (dir[n] == ':');
	}
	return err_set(err, ENOENT, "runtime \"%s\": not found in PATH", name);
}

static int find_runtime(struct parse *p, struct err *err)
{
	const char *name = value_of(p, OPT_RUNTIME);
	char self[PATH_MAX];
	ssize_t n;
	char *slash;
	int r;

	if (name && strchr(name, '/')) {
		r = absolute(p, OPT_RUNTIME, &p->o->runtime, err);
		if (r == 0 && !is_program(p->o->runtime))
			return err_set(err, ENOENT, "runtime \"%s\": no such program",
				       p->o->runtime);
		return r;
	}
	if (name)
		return find_in_path(p, name, err);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		*slash = '\0';
		p->o->runtime = arena_printf(p->arena, "%s/thole", self);
		if (is_program(p->o->runtime))
			return 0;
	}
	return find_in_path(p, "thole", err);
}

static int find_bundle(struct parse *p, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (!value_of(p, OPT_BUNDLE))
		return err_set(err, EINVAL, "--bundle is needed");
	if (!realpath(value_of(p, OPT_BUNDLE), path))
		return err_sys(err, "bundle \"%s\"", value_of(p, OPT_BUNDLE));
	p->o->bundle = arena_strdup(p->arena, path);
	if (stat(arena_printf(p->arena, "%s/config.json", path), &st) < 0)
		return err_sys(err, "\"%s/config.json\"", path);
	return 0;
}

/* A name that becomes one component of the log's path. */
static int check_name(const char *option, const char *name, struct err *err)
{
	if (!name || !name[0] || strchr(name, '/') || name[0] == '.' || strlen(name) > 255)
		return err_set(err, EINVAL, "%s: \"%s\" is no name", option, name ? name : "");
	return 0;
}

static int pod_log(struct parse *p, struct err *err)
{
	const char *pod = value_of(p, OPT_POD), *container = value_of(p, OPT_CONTAINER);
	const char *attempt = value_of(p, OPT_ATTEMPT);
	uint32_t n = 0;
	int r;

	if (value_of(p, OPT_LOG_PATH))
		return err_set(err, EINVAL, "--pod and --log-path exclude each other");
	r = check_name("--pod", pod, err);
	if (r == 0)
		r = check_name("--container", container, err);
	if (r < 0)
		return r;
	if (attempt && parse_u32(attempt, 10, &n) < 0)
		return err_set(err, EINVAL, "--attempt: \"%s\" is no number", attempt);
	p->o->log_path = arena_printf(p->arena, "/var/log/pods/%s/%s/%u.log", pod, container, n);
	return 0;
}

static int parse_log(struct parse *p, struct err *err)
{
	const char *format = value_of(p, OPT_LOG_FORMAT), *size = value_of(p, OPT_LOG_SIZE_MAX);
	const char *files = value_of(p, OPT_LOG_MAX_FILES), *log = value_of(p, OPT_LOG);
	struct front_options *o = p->o;
	uint32_t n = FILES_DEFAULT;
	int r;

	o->log_path = arena_printf(p->arena, "%s/container.log", o->bundle);
	if (value_of(p, OPT_POD))
		r = pod_log(p, err);
	else if (value_of(p, OPT_CONTAINER) || value_of(p, OPT_ATTEMPT))
		r = err_set(err, EINVAL, "--container and --attempt need --pod");
	else
		r = absolute(p, OPT_LOG_PATH, &o->log_path, err);
	if (r < 0)
		return r;
	if (format && str_eq(format, "cri"))
		o->log_format = LOG_FORMAT_CRI;
	else if (format && str_eq(format, "json"))
		o->log_format = LOG_FORMAT_JSON;
	else if (format)
		return err_set(err, EINVAL, "--log-format: \"%s\" is neither json nor cri", format);
	if (size && parse_u64(size, 10, &o->log_size_max) < 0)
		return err_set(err, EINVAL, "--log-size-max: \"%s\" is no number of bytes", size);
	if (files && (parse_u32(files, 10, &n) < 0 || n == 0 || n > 1000))
		return err_set(err, EINVAL, "--log-max-files: \"%s\" is not in 1..1000", files);
	o->log_max_files = n;
	if (log && (str_eq(log, "journald") || str_eq(log, "syslog"))) {
		o->log = log;
		return 0;
	}
	return absolute(p, OPT_LOG, &o->log, err);
}

/* root.path, on which the overlay is mounted. The rest of config.json is the runtime's to judge. */
static int read_rootfs(struct parse *p, struct err *err)
{
	CLEANUP_ARENA struct arena tmp = { 0 };
	const char *path;
	struct json *json;
	char *data;
	size_t n;
	int r;

	path = arena_printf(&tmp, "%s/config.json", p->o->bundle);
	r = io_read_file(AT_FDCWD, path, JSON_BYTES_MAX, &tmp, &data, &n);
	if (r < 0)
		return err_sysn(err, r, "read \"%s\"", path);
	r = json_parse(&tmp, data, n, &json, err);
	if (r < 0)
		return err_wrap(err, "\"%s\"", path);
	path = json->type == JSON_OBJECT ? json_str(json_get(json, "root"), "path") : NULL;
	if (!path || !path[0])
		return err_set(err, EINVAL, "config.json: root.path: needed with --lower");
	p->o->rootfs = path[0] == '/' ? arena_strdup(p->arena, path)
				      : arena_printf(p->arena, "%s/%s", p->o->bundle, path);
	return 0;
}

int front_cli_parse(int argc, char **argv, struct arena *arena, struct front_options *ret,
		    struct err *err)
{
	struct front_options o = { 0 };
	struct parse p = { .arena = arena, .o = &o };
	int r;

	r = parse_words(&p, argc, argv, err);
	if (r < 0)
		return r;
	if (!value_of(&p, OPT_ID))
		return err_set(err, EINVAL, "--id is needed");
	o.id = arena_strdup(arena, value_of(&p, OPT_ID));
	r = registry_check_id(o.id, err);
	if (r == 0)
		r = find_bundle(&p, err);
	if (r == 0)
		r = find_runtime(&p, err);
	if (r == 0)
		r = parse_log(&p, err);
	if (r == 0)
		r = absolute(&p, OPT_RUNTIME_ROOT, &o.runtime_root, err);
	if (r == 0)
		r = absolute(&p, OPT_ROOT, &o.root, err);
	if (r == 0)
		r = absolute(&p, OPT_PID_FILE, &o.pid_file, err);
	if (r == 0)
		r = absolute(&p, OPT_EXIT_FILE, &o.exit_file, err);
	o.shim_cgroup = value_of(&p, OPT_SHIM_CGROUP);
	o.lower = value_of(&p, OPT_LOWER);
	o.terminal = value_of(&p, OPT_TERMINAL) != NULL;
	o.has_stdin = value_of(&p, OPT_STDIN) != NULL;
	if (r == 0 && o.lower)
		r = read_rootfs(&p, err);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}

static void help(FILE *to)
{
	fputs(usage, to);
	if (to == stdout) {
		fputs("\ncommands:\n", to);
		client_print_commands();
	}
}

static int start(int argc, char **argv)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options o;
	struct err err = { 0 };

	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			help(stdout);
			return 0;
		}
	}
	if (front_cli_parse(argc, argv, &arena, &o, &err) < 0) {
		fprintf(stderr, "thole-shim: %s\n", err.msg);
		return 1;
	}
	return start_main(&o);
}

int front_cli_main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return 1;
	}
	if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (str_eq(argv[1], "--version") || str_eq(argv[1], "-v")) {
		printf("thole-shim version %s\ncommit: %s\n", thole_version, thole_commit);
		return 0;
	}
	if (str_eq(argv[1], "start"))
		return start(argc - 1, argv + 1);
	if (client_is_command(argv[1]))
		return client_main(argc, argv);
	fprintf(stderr, "thole-shim: unknown command \"%s\"\n", argv[1]);
	return 1;
}
