/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See cmd_regex.h.
 */
#include "runtime/cmd_regex.h"

#include <errno.h>
#include <regex.h>

#include "common/log.h"
#include "runtime/state.h"

static int run_matches(const struct command_call *call, const regex_t *regex, cmd_regex_fn *fn,
		       struct err *err)
{
	struct spec_strings ids = { 0 };
	int first = 0, r = state_list(call->arena, call->global->root, &ids, err);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r >= 0 && i < ids.n; i++) {
		struct err one = { 0 };

		if (regexec(regex, ids.v[i], 0, NULL, 0) != 0)
			continue;
		if (fn(call, ids.v[i], &one) >= 0 || one.code == ENOENT)
			continue;
		(void)!err_wrap(&one, "container %s", ids.v[i]);
		if (first == 0) {
			*err = one;
			first = -one.code;
		} else {
			log_warning("%s", one.msg);
		}
	}
	return r < 0 ? r : first;
}

int cmd_regex_run(const struct command_call *call, cmd_regex_fn *fn, struct err *err)
{
	char why[128];
	regex_t regex;
	int r;

	if (!option_bool(call->options, "regex"))
		return fn(call, call->args[0], err);
	r = regcomp(&regex, call->args[0], REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		regerror(r, &regex, why, sizeof(why));
		return err_set(err, EINVAL, "invalid regular expression \"%s\": %s", call->args[0],
			       why);
	}
	r = run_matches(call, &regex, fn, err);
	regfree(&regex);
	return r;
}
