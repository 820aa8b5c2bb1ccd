// SPDX-License-Identifier: Apache-2.0
// Which action containerd asks for.
#include "shim/front_task.h"

#include <stdio.h>

#include "common/version.h"

static int print_version(const char *name)
{
	printf("%s:\n  Version:  %s\n  Revision: %s\n\n", name, thole_version, thole_commit);
	return 0;
}

int front_task_main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	struct front_args args;
	struct err err = { 0 };

	if (front_args_parse(argc, argv, &args, &err) < 0) {
		fprintf(stderr, "%s: %s\n", name, err.msg);
		return 2;
	}
	switch (args.action) {
	case FRONT_START:
		return front_task_start(&args);
	case FRONT_DELETE:
		return front_task_delete(&args);
	case FRONT_INFO:
		return front_task_info(name);
	case FRONT_VERSION:
		return print_version(name);
	default:
		fprintf(stderr, "%s: no action: start or delete\n", name);
		return 1;
	}
}
