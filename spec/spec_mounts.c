/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of mounts[]. Options stay text: what they mean is decided by the mount plan, since what is
 * no known option is data for the file system.
 */
#include "spec/spec_table.h"

static int finish_mount(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_mount *mount = base;

	(void)seen;
	if ((mount->uid_maps.n == 0) != (mount->gid_maps.n == 0))
		return spec_fail_member(r, mount->uid_maps.n == 0 ? "uidMappings" : "gidMappings",
					NULL,
					"required, because the other kind of mapping is given");
	if (mount->destination[0] != '/') /* deprecated, and taken from "/" */
		spec_notice_add(&r->relative, mount->destination);
	return 0;
}

static const struct spec_field mount_rows[] = {
	SPEC_ROW(struct spec_mount, "destination", STRING, spec_field_string, destination,
		 .max = PATH_MAX - 1, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_mount, "type", STRING, spec_field_string, type, .max = NAME_MAX),
	SPEC_ROW(struct spec_mount, "source", STRING, spec_field_string, source,
		 .max = PATH_MAX - 1),
	SPEC_ROW(struct spec_mount, "options", ARRAY, spec_field_strings, options),
	SPEC_ROW(struct spec_mount, "uidMappings", ARRAY, spec_field_idmaps, uid_maps,
		 .max = SPEC_IDMAPS_MAX),
	SPEC_ROW(struct spec_mount, "gidMappings", ARRAY, spec_field_idmaps, gid_maps,
		 .max = SPEC_IDMAPS_MAX),
};

const struct spec_table spec_table_mount = SPEC_TABLE(mount_rows, .finish = finish_mount);
