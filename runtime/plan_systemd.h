/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd part of the cgroup plan: unit name, slice and the list of unit properties; pure.
 * plan_systemd.c says which unit and which cgroup, plan_systemd_resources.c turns the writes of the
 * plan into properties (so that both places get one value), plan_systemd_text.c reads annotations.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "spec/spec.h"

/* A value of D-Bus. */
struct unit_value {
	char type;        /* b y n q i u x t d s o g, 'a' array, '(' struct */
	uint64_t number;  /* b y q u t; n i x as two's complement */
	double real;      /* d */
	const char *text; /* s o g; a: the type of its elements, (: the types of its members */
	struct unit_value *items; /* a ( */
	size_t n;
};

struct unit_property {
	const char *name;
	struct unit_value value;
};

struct plan_systemd {
	const char *unit;    /* "thole-x.scope" or, if it is a slice, its own name */
	const char *slice;   /* the slice that it is in */
	const char *sub;     /* "/container": the container's cgroup is below the unit's; "" */
	const char *address; /* of the manager's bus */
	bool user;           /* the caller's manager, not the system's */
	bool is_slice;
	struct unit_property *props;
	size_t n_props;
};

struct plan_cgroup;
struct plan_request;
struct host;

/* linux.cgroupsPath "slice:prefix:name" -> unit and slice; *ret_path is the unit's cgroup below the
 * root of the hierarchies ("/system.slice/thole-x.scope"), with ret->sub. */
MUST_CHECK int plan_systemd_place(struct arena *arena, const struct spec *spec,
				  const struct host *host, const struct plan_request *request,
				  struct plan_systemd *ret, const char **ret_path, struct err *err);

/* All properties of a new unit but PIDs, into plan->systemd. */
MUST_CHECK int plan_systemd_properties(struct arena *arena, const struct spec *spec,
				       unsigned int version, const char *id,
				       struct plan_cgroup *plan, struct err *err);
/* The properties that say what the plan's writes say, appended to plan->systemd. `created`: also
 * those that only a new unit takes. */
MUST_CHECK int plan_systemd_resources(struct arena *arena, unsigned int version, bool created,
				      struct plan_cgroup *plan, struct err *err);
void plan_systemd_print(const struct plan_systemd *plan, struct str *out);

/* Sets the property, in place of an earlier one of that name; the value is zeroed. */
struct unit_value *plan_systemd_put(struct arena *arena, struct plan_systemd *plan,
				    const char *name);
/* The same, with arrays that go on growing: the present value or an empty array of `element`. */
struct unit_value *plan_systemd_append(struct arena *arena, struct plan_systemd *plan,
				       const char *name, const char *element);
void plan_systemd_put_u64(struct arena *arena, struct plan_systemd *plan, const char *name,
			  uint64_t value);

/* One value in GVariant's text form, whole text: "true", "'a b'", "uint64 5", "['a','b']",
 * "@as []", "[('/dev/x', 'rwm')]". Variants, dictionaries, maybes and bytestrings are refused. */
MUST_CHECK int unit_value_parse(struct arena *arena, const char *text, struct unit_value *ret,
				struct err *err);
/* Appends its D-Bus signature. */
void unit_value_signature(const struct unit_value *value, struct str *out);
/* ... and its text form. */
void unit_value_print(const struct unit_value *value, struct str *out);
