/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd-bus. See bus.h. The declarations below are those of libsystemd's public, stable interface
 * (libsystemd.so.0): nothing of it is needed to build, and a machine without it runs everything but
 * this manager.
 */
#include "runtime/bus.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "common/log.h"
#include "common/macros.h"

#define LIBRARY "libsystemd.so.0"
#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define CALL_TIMEOUT_US 25000000ULL
#define CREDS_OWNER_UID (1ULL << 22)
#define CREDS_AUGMENT (1ULL << 63)

struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;
struct sd_bus_creds;
struct bus_error { /* sd_bus_error */
	const char *name, *message;
	int need_free;
};
typedef int (*bus_handler)(struct sd_bus_message *m, void *userdata, struct bus_error *error);

/* One line a function: result, name, arguments. */
#define FUNCTIONS(X)                                                                               \
	X(int, sd_bus_new, (struct sd_bus **))                                                     \
	X(int, sd_bus_set_address, (struct sd_bus *, const char *))                                \
	X(int, sd_bus_set_bus_client, (struct sd_bus *, int))                                      \
	X(int, sd_bus_start, (struct sd_bus *))                                                    \
	X(int, sd_bus_open_system, (struct sd_bus **))                                             \
	X(int, sd_bus_open_user, (struct sd_bus **))                                               \
	X(int, sd_bus_get_address, (struct sd_bus *, const char **))                               \
	X(struct sd_bus *, sd_bus_close_unref, (struct sd_bus *))                                  \
	X(int, sd_bus_process, (struct sd_bus *, struct sd_bus_message **))                        \
	X(int, sd_bus_get_fd, (struct sd_bus *))                                                   \
	X(int, sd_bus_get_events, (struct sd_bus *))                                               \
	X(int, sd_bus_match_signal,                                                                \
	  (struct sd_bus *, struct sd_bus_slot **, const char *, const char *, const char *,       \
	   const char *, bus_handler, void *))                                                     \
	X(int, sd_bus_call,                                                                        \
	  (struct sd_bus *, struct sd_bus_message *, uint64_t, struct bus_error *,                 \
	   struct sd_bus_message **))                                                              \
	X(void, sd_bus_error_free, (struct bus_error *))                                           \
	X(int, sd_bus_get_property_string,                                                         \
	  (struct sd_bus *, const char *, const char *, const char *, const char *,                \
	   struct bus_error *, char **))                                                           \
	X(int, sd_bus_message_new_method_call,                                                     \
	  (struct sd_bus *, struct sd_bus_message **, const char *, const char *, const char *,    \
	   const char *))                                                                          \
	X(int, sd_bus_message_append_basic, (struct sd_bus_message *, char, const void *))         \
	X(int, sd_bus_message_open_container, (struct sd_bus_message *, char, const char *))       \
	X(int, sd_bus_message_close_container, (struct sd_bus_message *))                          \
	X(int, sd_bus_message_read_basic, (struct sd_bus_message *, char, void *))                 \
	X(struct sd_bus_message *, sd_bus_message_unref, (struct sd_bus_message *))                \
	X(int, sd_bus_get_owner_creds, (struct sd_bus *, uint64_t, struct sd_bus_creds **))        \
	X(int, sd_bus_creds_get_owner_uid, (struct sd_bus_creds *, uid_t *))                       \
	X(struct sd_bus_creds *, sd_bus_creds_unref, (struct sd_bus_creds *))

struct functions {
#define X(result, name, args) result(*name) args;
	FUNCTIONS(X)
#undef X
};

struct bus {
	struct functions f;
	struct sd_bus *sd;
	int interrupt_fd;
	bool subscribed;
	/* The job that is waited for, and what JobRemoved said of it. */
	const char *job;
	char result[32];
};

/* What one call is about, for its errors. */
struct call {
	const char *method, *unit;
	struct sd_bus_message *message, *reply;
	struct bus_error error;
};

static int load(struct functions *f, struct err *err)
{
	static const char *const names[] = {
#define X(result, name, args) #name,
		FUNCTIONS(X)
#undef X
	};
	/* Never unloaded: its threads' keys and ours would outlive it. */
	void *lib = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL), *symbol;
	char *at = (char *)f;

	if (!lib) {
		(void)err_set(err, ENOENT, "cgroup manager \"systemd\" needs " LIBRARY ": %s",
			      dlerror());
		return -ENOENT;
	}
	for (size_t i = 0; i < ARRAY_COUNT(names); i++, at += sizeof(symbol)) {
		symbol = dlsym(lib, names[i]);
		if (!symbol) {
			(void)err_set(err, ENOSYS,
				      "cgroup manager \"systemd\": " LIBRARY
				      " is too old, it has no %s",
				      names[i]);
			return -ENOSYS;
		}
		memcpy(at, &symbol, sizeof(symbol));
	}
	return 0;
}

/* ---- connecting ---- */

static bool is_private(const char *address)
{
	size_t n = strlen(address), m = strlen("/systemd/private");

	return n >= m && str_eq(address + n - m, "/systemd/private");
}

static int connect_to(struct bus *bus, const char *address)
{
	int r = bus->f.sd_bus_new(&bus->sd);

	if (r >= 0)
		r = bus->f.sd_bus_set_address(bus->sd, address);
	/* On the private socket the manager itself answers: no Hello, no names. */
	if (r >= 0 && !is_private(address))
		r = bus->f.sd_bus_set_bus_client(bus->sd, 1);
	if (r >= 0)
		r = bus->f.sd_bus_start(bus->sd);
	if (r < 0 && bus->sd)
		bus->sd = bus->f.sd_bus_close_unref(bus->sd);
	return r;
}

static int connect_user(struct bus *bus, struct err *err)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	int r = bus->f.sd_bus_open_user(&bus->sd);

	if (r >= 0)
		return 0;
	if (!getenv("DBUS_SESSION_BUS_ADDRESS") && (!runtime_dir || !*runtime_dir))
		return err_set(err, -r,
			       "connect to the user's bus: neither DBUS_SESSION_BUS_ADDRESS nor "
			       "XDG_RUNTIME_DIR is set");
	return err_sysn(err, r, "connect to the user's bus");
}

static int connect_system(struct bus *bus, struct err *err)
{
	int r = -ENOENT;

	/* Who names a bus means that one. */
	if (!getenv("DBUS_SYSTEM_BUS_ADDRESS") && geteuid() == 0)
		r = connect_to(bus, PRIVATE_ADDRESS);
	if (r < 0)
		r = bus->f.sd_bus_open_system(&bus->sd);
	return r < 0 ? err_sysn(err, r, "connect to the system bus, is systemd running") : 0;
}

int bus_open(bool user, const char *address, struct bus **ret, struct err *err)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return err_set(err, ENOMEM, "out of memory");
	bus->interrupt_fd = -EBADF;
	r = load(&bus->f, err);
	if (r >= 0 && (!address || connect_to(bus, address) < 0))
		r = user ? connect_user(bus, err) : connect_system(bus, err);
	if (r < 0) {
		free(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	if (bus->sd)
		bus->f.sd_bus_close_unref(bus->sd);
	free(bus);
}

const char *bus_address(const struct bus *bus)
{
	const char *address = NULL;

	return bus->f.sd_bus_get_address(bus->sd, &address) >= 0 && address ? address : "";
}

void bus_set_interrupt(struct bus *bus, int fd)
{
	bus->interrupt_fd = fd;
}

int bus_user_owner(uid_t *ret, struct err *err)
{
	CLEANUP_BUS struct bus *bus = NULL;
	struct sd_bus_creds *creds = NULL;
	int r = bus_open(true, NULL, &bus, err);

	if (r < 0 || !bus)
		return r;
	r = bus->f.sd_bus_get_owner_creds(bus->sd, CREDS_OWNER_UID | CREDS_AUGMENT, &creds);
	if (r >= 0)
		r = bus->f.sd_bus_creds_get_owner_uid(creds, ret);
	if (creds)
		bus->f.sd_bus_creds_unref(creds);
	return r < 0 ? err_sysn(err, r, "find the owner of the user's bus") : 0;
}

/* ---- calls ---- */

static int code_of(const struct bus_error *error, int r)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{ "org.freedesktop.systemd1.UnitExists", EEXIST },
		{ "org.freedesktop.systemd1.NoSuchUnit", ENOENT },
		{ "org.freedesktop.DBus.Error.AccessDenied", EACCES },
		{ "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EACCES },
		{ "org.freedesktop.DBus.Error.NoReply", ETIMEDOUT },
		{ "org.freedesktop.DBus.Error.Timeout", ETIMEDOUT },
	};

	for (size_t i = 0; error->name && i < ARRAY_COUNT(codes); i++)
		if (str_eq(error->name, codes[i].name))
			return codes[i].code;
	return r == -ENOTCONN || r == -EPIPE ? ECONNRESET : -r;
}

static int fail(struct call *c, int r, struct err *err)
{
	int code = code_of(&c->error, r);
	const char *blank = c->unit ? " " : "", *unit = c->unit ? c->unit : "";

	if (code == ECONNRESET)
		return err_set(err, code, "systemd: %s%s%s: the connection to the bus was lost",
			       c->method, blank, unit);
	if (c->error.message)
		return err_set(err, code, "systemd: %s%s%s: %s", c->method, blank, unit,
			       c->error.message);
	return err_sysn(err, code, "systemd: %s%s%s", c->method, blank, unit);
}

static int begin(struct bus *bus, struct call *c)
{
	return bus->f.sd_bus_message_new_method_call(bus->sd, &c->message, DESTINATION,
						     MANAGER_PATH, MANAGER, c->method);
}

static int add_text(struct bus *bus, struct call *c, const char *text)
{
	return bus->f.sd_bus_message_append_basic(c->message, 's', text);
}

static int finish(struct bus *bus, struct call *c, int r, struct err *err)
{
	if (r >= 0)
		r = bus->f.sd_bus_call(bus->sd, c->message, CALL_TIMEOUT_US, &c->error, &c->reply);
	return r < 0 ? fail(c, r, err) : 0;
}

static void done(struct bus *bus, struct call *c)
{
	if (c->message)
		bus->f.sd_bus_message_unref(c->message);
	if (c->reply)
		bus->f.sd_bus_message_unref(c->reply);
	bus->f.sd_bus_error_free(&c->error);
}

static int append_value(struct bus *bus, struct sd_bus_message *m, const struct unit_value *value);

static int append_items(struct bus *bus, struct sd_bus_message *m, const struct unit_value *value)
{
	CLEANUP_STR struct str members = { 0 };
	int r;

	if (value->type == '(') {
		for (size_t i = 0; i < value->n; i++)
			unit_value_signature(&value->items[i], &members);
		r = bus->f.sd_bus_message_open_container(m, 'r', members.data);
	} else {
		r = bus->f.sd_bus_message_open_container(m, 'a', value->text);
	}
	for (size_t i = 0; r >= 0 && i < value->n; i++)
		r = append_value(bus, m, &value->items[i]);
	return r < 0 ? r : bus->f.sd_bus_message_close_container(m);
}

static int append_value(struct bus *bus, struct sd_bus_message *m, const struct unit_value *value)
{
	union {
		uint8_t y;
		uint16_t q;
		uint32_t u;
		uint64_t t;
		double d;
		int b;
	} basic = { 0 };

	switch (value->type) {
	case 'a':
	case '(':
		return append_items(bus, m, value);
	case 's':
	case 'o':
	case 'g':
		return bus->f.sd_bus_message_append_basic(m, value->type, value->text);
	case 'b':
		basic.b = value->number != 0;
		break;
	case 'd':
		basic.d = value->real;
		break;
	case 'y':
		basic.y = (uint8_t)value->number;
		break;
	case 'n':
	case 'q':
		basic.q = (uint16_t)value->number;
		break;
	case 'i':
	case 'u':
		basic.u = (uint32_t)value->number;
		break;
	default:
		basic.t = value->number;
	}
	return bus->f.sd_bus_message_append_basic(m, value->type, &basic);
}

static int append_property(struct bus *bus, struct sd_bus_message *m, const struct unit_property *p)
{
	CLEANUP_STR struct str type = { 0 };
	int r = bus->f.sd_bus_message_open_container(m, 'r', "sv");

	unit_value_signature(&p->value, &type);
	if (r >= 0)
		r = bus->f.sd_bus_message_append_basic(m, 's', p->name);
	if (r >= 0)
		r = bus->f.sd_bus_message_open_container(m, 'v', type.data);
	if (r >= 0)
		r = append_value(bus, m, &p->value);
	if (r >= 0)
		r = bus->f.sd_bus_message_close_container(m);
	return r < 0 ? r : bus->f.sd_bus_message_close_container(m);
}

/* a(sv), with PIDs at its end if there is one. */
static int append_properties(struct bus *bus, struct sd_bus_message *m,
			     const struct plan_systemd *unit, pid_t pid)
{
	struct unit_value one = { .type = 'u', .number = (uint64_t)pid };
	struct unit_property pids = {
		.name = "PIDs",
		.value = { .type = 'a', .text = "u", .items = &one, .n = 1 },
	};
	int r = bus->f.sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < unit->n_props; i++)
		r = append_property(bus, m, &unit->props[i]);
	if (r >= 0 && pid > 0)
		r = append_property(bus, m, &pids);
	return r < 0 ? r : bus->f.sd_bus_message_close_container(m);
}

/* ---- jobs ---- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* JobRemoved(u id, o job, s unit, s result) */
static int on_job_removed(struct sd_bus_message *m, void *userdata, struct bus_error *error UNUSED)
{
	struct bus *bus = userdata;
	const char *job = NULL, *unit = NULL, *result = NULL;
	uint32_t id;

	if (bus->f.sd_bus_message_read_basic(m, 'u', &id) <= 0 ||
	    bus->f.sd_bus_message_read_basic(m, 'o', &job) <= 0 ||
	    bus->f.sd_bus_message_read_basic(m, 's', &unit) <= 0 ||
	    bus->f.sd_bus_message_read_basic(m, 's', &result) <= 0)
		return 0;
	if (bus->job && str_eq(bus->job, job))
		snprintf(bus->result, sizeof(bus->result), "%s", result);
	return 0;
}

/* Before the first job is made: its end must not be missed. */
static int subscribe(struct bus *bus, struct err *err)
{
	struct call c = { .method = "Subscribe" };
	bool direct = is_private(bus_address(bus));
	int r;

	if (bus->subscribed)
		return 0;
	/* On a bus anybody can send such a signal: only the manager is believed. */
	r = bus->f.sd_bus_match_signal(bus->sd, NULL, direct ? NULL : DESTINATION, MANAGER_PATH,
				       MANAGER, "JobRemoved", on_job_removed, bus);
	if (r < 0)
		return fail(&c, r, err);
	if (!direct) {
		r = finish(bus, &c, begin(bus, &c), err);
		done(bus, &c);
		if (r < 0)
			return r;
	}
	bus->subscribed = true;
	return 0;
}

static int wait_once(struct bus *bus, int timeout_ms)
{
	struct pollfd p[2] = {
		{ .fd = bus->f.sd_bus_get_fd(bus->sd) },
		{ .fd = bus->interrupt_fd, .events = POLLIN },
	};
	int events = bus->f.sd_bus_get_events(bus->sd);

	if (p[0].fd < 0 || events < 0)
		return -ECONNRESET;
	p[0].events = (short)events;
	if (poll(p, 2, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	return p[1].revents & POLLIN ? -EINTR : 0;
}

static int await_job(struct bus *bus, struct call *c, unsigned int timeout_ms, struct err *err)
{
	int64_t deadline = now_ms() + timeout_ms, left;
	int r = bus->f.sd_bus_message_read_basic(c->reply, 'o', &bus->job);

	if (r < 0)
		return fail(c, r, err);
	*bus->result = '\0';
	while (!*bus->result) {
		r = bus->f.sd_bus_process(bus->sd, NULL);
		if (r > 0)
			continue;
		left = deadline - now_ms();
		if (r == 0 && left <= 0)
			return err_set(err, ETIMEDOUT,
				       "systemd: %s %s: its job has not ended after %u.%03u s",
				       c->method, c->unit, timeout_ms / 1000, timeout_ms % 1000);
		if (r == 0)
			r = wait_once(bus, (int)left);
		if (r == -EINTR)
			return err_set(err, EINTR, "systemd: %s %s: interrupted", c->method,
				       c->unit);
		if (r < 0)
			return fail(c, r == -ECONNRESET ? r : -ENOTCONN, err);
	}
	if (str_eq(bus->result, "done"))
		return 0;
	return err_set(err, EIO, "systemd: %s %s: its job's result is \"%s\"", c->method, c->unit,
		       bus->result);
}

int bus_start_transient(struct bus *bus, const struct plan_systemd *unit, pid_t pid,
			unsigned int timeout_ms, struct err *err)
{
	struct call c = { .method = "StartTransientUnit", .unit = unit->unit };
	int r = subscribe(bus, err);

	if (r < 0)
		return r;
	r = begin(bus, &c);
	if (r >= 0)
		r = add_text(bus, &c, unit->unit);
	if (r >= 0)
		r = add_text(bus, &c, "replace");
	if (r >= 0)
		r = append_properties(bus, c.message, unit, pid);
	/* No auxiliary units. */
	if (r >= 0)
		r = bus->f.sd_bus_message_open_container(c.message, 'a', "(sa(sv))");
	if (r >= 0)
		r = bus->f.sd_bus_message_close_container(c.message);
	r = finish(bus, &c, r, err);
	if (r >= 0)
		r = await_job(bus, &c, timeout_ms, err);
	bus->job = NULL;
	done(bus, &c);
	return r;
}

int bus_stop_unit(struct bus *bus, const char *unit, unsigned int timeout_ms, struct err *err)
{
	struct call c = { .method = "StopUnit", .unit = unit };
	int r = subscribe(bus, err);

	if (r < 0)
		return r;
	r = begin(bus, &c);
	if (r >= 0)
		r = add_text(bus, &c, unit);
	if (r >= 0)
		r = add_text(bus, &c, "replace");
	r = finish(bus, &c, r, err);
	if (r >= 0)
		r = await_job(bus, &c, timeout_ms, err);
	bus->job = NULL;
	done(bus, &c);
	return r;
}

/* ---- calls without a job ---- */

int bus_manager_property(struct bus *bus, const char *name, char **ret, struct err *err)
{
	struct call c = { .method = "get the manager's property", .unit = name };
	int r = bus->f.sd_bus_get_property_string(bus->sd, DESTINATION, MANAGER_PATH, MANAGER, name,
						  &c.error, ret);

	if (r < 0)
		r = fail(&c, r, err);
	bus->f.sd_bus_error_free(&c.error);
	return r < 0 ? r : 0;
}

int bus_reset_failed(struct bus *bus, const char *unit, struct err *err)
{
	struct call c = { .method = "ResetFailedUnit", .unit = unit };
	int r = begin(bus, &c);

	if (r >= 0)
		r = add_text(bus, &c, unit);
	r = finish(bus, &c, r, err);
	done(bus, &c);
	return r;
}

int bus_set_properties(struct bus *bus, const struct plan_systemd *unit, struct err *err)
{
	struct call c = { .method = "SetUnitProperties", .unit = unit->unit };
	int runtime = 1, r = begin(bus, &c);

	if (r >= 0)
		r = add_text(bus, &c, unit->unit);
	if (r >= 0)
		r = bus->f.sd_bus_message_append_basic(c.message, 'b', &runtime);
	if (r >= 0)
		r = append_properties(bus, c.message, unit, 0);
	r = finish(bus, &c, r, err);
	done(bus, &c);
	return r;
}

int bus_attach_process(struct bus *bus, const char *unit, const char *sub, pid_t pid,
		       struct err *err)
{
	struct call c = { .method = "AttachProcessesToUnit", .unit = unit };
	uint32_t number = (uint32_t)pid;
	int r = begin(bus, &c);

	if (r >= 0)
		r = add_text(bus, &c, unit);
	if (r >= 0)
		r = add_text(bus, &c, sub);
	if (r >= 0)
		r = bus->f.sd_bus_message_open_container(c.message, 'a', "u");
	if (r >= 0)
		r = bus->f.sd_bus_message_append_basic(c.message, 'u', &number);
	if (r >= 0)
		r = bus->f.sd_bus_message_close_container(c.message);
	r = finish(bus, &c, r, err);
	done(bus, &c);
	return r;
}
