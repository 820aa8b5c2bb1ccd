/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which device nodes the container gets: the configuration's, and those every container has. Pure.
 */
#include <errno.h>
#include <limits.h>

#include "common/path.h"
#include "runtime/plan_mounts.h"

static const struct plan_device default_devices[] = {
	{ "/dev/null", 'c', 1, 3, 0666, 0, 0, true },
	{ "/dev/zero", 'c', 1, 5, 0666, 0, 0, true },
	{ "/dev/full", 'c', 1, 7, 0666, 0, 0, true },
	{ "/dev/random", 'c', 1, 8, 0666, 0, 0, true },
	{ "/dev/urandom", 'c', 1, 9, 0666, 0, 0, true },
	{ "/dev/tty", 'c', 5, 0, 0666, 0, 0, true },
};

static int add_device(struct arena *arena, const struct spec *spec, size_t i,
		      struct plan_mounts *plan, struct err *err)
{
	const struct spec_device *in = &spec->linux_.devices[i];
	struct plan_device *d = &plan->devices[plan->n_devices];
	char path[PATH_MAX];

	if (in->path[0] != '/')
		return err_set(err, EINVAL, "linux.devices[%zu].path: \"%s\" is not absolute", i,
			       in->path);
	*d = (struct plan_device){
		.type = in->type == 'u' ? 'c' : in->type,
		.mode = in->has_file_mode ? in->file_mode & 07777 : 0666,
		.uid = in->has_uid ? in->uid : 0,
		.gid = in->has_gid ? in->gid : 0,
	};
	if (path_clean(in->path, path, sizeof(path)) < 0 || str_eq(path, "/"))
		return err_set(err, EINVAL,
			       "linux.devices[%zu].path: \"%s\" is no place for a node", i,
			       in->path);
	/* It becomes the link to the container's own pts/ptmx; bound from the host (podman --privileged
	 * in a user namespace) it could not be replaced. */
	if (str_eq(path, "/dev/ptmx"))
		return 0;
	d->path = arena_strdup(arena, path);
	if (d->type != 'p') {
		if (in->major < 0 || in->minor < 0 || in->major > 0xfff || in->minor > 0xfffff)
			return err_set(err, ERANGE,
				       "linux.devices[%zu]: no device has the number %lld:%lld", i,
				       (long long)in->major, (long long)in->minor);
		d->major = (unsigned int)in->major;
		d->minor = (unsigned int)in->minor;
	}
	for (size_t j = 0; j < plan->n_devices; j++) {
		const struct plan_device *other = &plan->devices[j];

		if (!str_eq(other->path, d->path))
			continue;
		/* The same device asked for twice (a client's lists put together) is no conflict. */
		if (other->type == d->type && other->major == d->major && other->minor == d->minor)
			return 0;
		return err_set(err, EINVAL, "linux.devices[%zu].path: \"%s\" is there twice", i,
			       d->path);
	}
	plan->n_devices++;
	return 0;
}

int plan_devices_build(struct arena *arena, const struct spec *spec, const struct host *host,
		       struct plan_mounts *plan, struct err *err)
{
	size_t n = spec->linux_.n_devices, configured;

	plan->bind_devices = plan->new_user_ns || host->in_user_ns;
	plan->devices = ARENA_ARRAY(arena, n + ARRAY_COUNT(default_devices), struct plan_device);
	if (!plan->setup_dev)
		return 0; /* the host's /dev has its own nodes */
	for (size_t i = 0; i < n; i++) {
		int r = add_device(arena, spec, i, plan, err);

		if (r < 0)
			return r;
	}
	configured = plan->n_devices;
	for (size_t i = 0; i < ARRAY_COUNT(default_devices); i++) {
		bool given = false;

		for (size_t j = 0; j < configured; j++)
			given |= str_eq(plan->devices[j].path, default_devices[i].path);
		if (!given)
			plan->devices[plan->n_devices++] = default_devices[i];
	}
	return 0;
}
