// SPDX-License-Identifier: Apache-2.0
// Chooses the front end by the name of the program.
#include <stdio.h>

#include "common/fd.h"
#include "shim/front_cli.h"

static int not_built(const char *name)
{
	fprintf(stderr,
		"thole-shim: called as \"%s\": this personality is not built yet; use `thole-shim "
		"start`\n",
		name);
	return 1;
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (fd_fix_stdio() < 0)
		return 1;
	if (str_eq(name, "conmon") || str_eq(name, "thole-conmon") ||
	    str_starts_with(name, "containerd-shim"))
		return not_built(name);
	return front_cli_main(argc, argv);
}
