// SPDX-License-Identifier: Apache-2.0
// Chooses the front end by the name of the program.
#include "common/fd.h"
#include "shim/front_cli.h"
#include "shim/front_conmon.h"
#include "shim/front_task.h"

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (fd_fix_stdio() < 0)
		return 1;
	if (str_starts_with(name, "containerd-shim"))
		return front_task_main(argc, argv);
	if (str_eq(name, "conmon") || str_eq(name, "thole-conmon"))
		return front_conmon_main(argc, argv);
	return front_cli_main(argc, argv);
}
