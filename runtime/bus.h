/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a systemd manager through libsystemd's sd-bus, which is loaded at the first use
 * and only then. Calls of the manager and the waiting for its jobs; every wait has an end, and a
 * bus that dies is an error. Knows no cgroups.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "runtime/plan_systemd.h"

struct bus;

/* Connects: to the system's manager, by its private socket where that can be (no broker between,
 * and it works without one), or to the caller's (`user`: DBUS_SESSION_BUS_ADDRESS, else
 * XDG_RUNTIME_DIR). `address`, if not NULL, is tried first: what bus_address said before. */
MUST_CHECK int bus_open(bool user, const char *address, struct bus **ret, struct err *err);
void bus_close(struct bus *bus);
static inline void bus_close_p(struct bus **bus)
{
	bus_close(*bus);
}
#define CLEANUP_BUS CLEANUP(bus_close_p)

const char *bus_address(const struct bus *bus);
/* A descriptor that ends a wait with -EINTR once it can be read; -EBADF: none. */
void bus_set_interrupt(struct bus *bus, int fd);

/* The uid in whose slice the user's bus runs, which is the true one also in a user namespace. */
MUST_CHECK int bus_user_owner(uid_t *ret, struct err *err);

/* A string property of the manager; *ret is freed by the caller. */
MUST_CHECK int bus_manager_property(struct bus *bus, const char *name, char **ret, struct err *err);

/* StartTransientUnit and its job. pid > 0: the first process of the unit. -EEXIST: there is such a
 * unit; -ETIMEDOUT; -ECONNRESET: the bus went away. */
MUST_CHECK int bus_start_transient(struct bus *bus, const struct plan_systemd *unit, pid_t pid,
				   unsigned int timeout_ms, struct err *err);
/* StopUnit and its job. -ENOENT: no such unit. */
MUST_CHECK int bus_stop_unit(struct bus *bus, const char *unit, unsigned int timeout_ms,
			     struct err *err);
/* ResetFailedUnit. -ENOENT: no such unit. */
MUST_CHECK int bus_reset_failed(struct bus *bus, const char *unit, struct err *err);
/* SetUnitProperties, for this boot only. -ENOENT: no such unit. */
MUST_CHECK int bus_set_properties(struct bus *bus, const struct plan_systemd *unit,
				  struct err *err);
/* AttachProcessesToUnit: the manager moves the process to `sub` ("", "/a") below the unit's cgroup. */
MUST_CHECK int bus_attach_process(struct bus *bus, const char *unit, const char *sub, pid_t pid,
				  struct err *err);
