// SPDX-License-Identifier: Apache-2.0
// The two tables are full and sound; the paths that matter are written out.
#include "shim/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REQUESTS (SUP_REQ_DELETE + 1)

static void check_full(const struct sup_table *table)
{
	for (int s = 0; s < SUP_STATE_N; s++) {
		for (int e = 0; e < SUP_EVENT_N; e++) {
			const struct sup_cell *c =
				sup_step(table, (enum sup_state)s, (enum sup_event)e);

			if (!c->actions)
				fail_msg("no cell for %s in %s", sup_event_name((enum sup_event)e),
					 sup_state_name((enum sup_state)s));
			assert_in_range(c->next, 0, SUP_STATE_N - 1);
		}
	}
}

static void tables_are_full(void **state)
{
	(void)state;
	check_full(&sup_init_table);
	check_full(&sup_exec_table);
}

/* A refusal has its text and code, changes nothing, and only a request can be refused or queued. */
static void check_refusals(const struct sup_table *table)
{
	for (int s = 0; s < SUP_STATE_N; s++) {
		for (int e = 0; e < SUP_EVENT_N; e++) {
			const struct sup_cell *c = &table->cell[s][e];

			if (c->actions & SUP_REFUSE) {
				assert_true(e < REQUESTS);
				assert_true(c->refusal[0] && !c->refusal[sizeof(c->refusal) - 1]);
				assert_int_not_equal(c->code, 0);
				assert_int_equal(c->next, s);
				assert_int_equal(c->actions, SUP_REFUSE);
			} else {
				assert_int_equal(c->refusal[0], 0);
			}
			if (c->actions & SUP_QUEUE) {
				assert_true(e < REQUESTS);
				assert_int_equal(c->next, s);
			}
			if (c->actions & SUP_IGNORE)
				assert_int_equal(c->actions, SUP_IGNORE);
		}
	}
}

static void refusals_change_nothing(void **state)
{
	(void)state;
	check_refusals(&sup_init_table);
	check_refusals(&sup_exec_table);
}

/* A request is always taken by exactly one action, so that it is answered once. */
static void requests_are_answered_once(void **state)
{
	const uint32_t takers =
		SUP_REFUSE | SUP_QUEUE | SUP_CALL | SUP_KILL | SUP_ADD_EXEC | SUP_REPLY_OK;
	const struct sup_table *tables[] = { &sup_init_table, &sup_exec_table };

	(void)state;
	for (int t = 0; t < 2; t++)
		for (int s = 0; s < SUP_STATE_N; s++)
			for (int e = 0; e < REQUESTS; e++)
				assert_int_equal(
					__builtin_popcount(tables[t]->cell[s][e].actions & takers),
					1);
}

/* While a call is in flight nothing but its end, the exit or a doom leaves the state. */
static void calls_end_in_order(void **state)
{
	static const enum sup_state busy[] = { SUP_CREATING, SUP_STARTING };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (int e = 0; e < SUP_EVENT_N; e++)
			if (e != SUP_RT_OK && e != SUP_RT_FAIL)
				assert_int_equal(sup_init_table.cell[busy[i]][e].next, busy[i]);
}

struct walk {
	enum sup_event event;
	enum sup_state next;
	uint32_t actions;
};

static void run(const struct sup_table *table, enum sup_state s, const struct walk *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sup_cell *c = sup_step(table, s, w[i].event);

		assert_int_equal(c->next, w[i].next);
		assert_int_equal(c->actions, w[i].actions);
		s = c->next;
	}
}
#define RUN(table, from, walk) run(table, from, walk, sizeof(walk) / sizeof((walk)[0]))

static void the_usual_life(void **state)
{
	static const struct walk life[] = {
		{ SUP_REQ_CREATE, SUP_CREATING, SUP_CALL },
		{ SUP_RT_OK, SUP_CREATED, SUP_REPLY_OK },
		{ SUP_REQ_START, SUP_STARTING, SUP_CALL },
		{ SUP_REQ_KILL, SUP_STARTING, SUP_KILL },
		{ SUP_PROC_EXIT, SUP_STARTING, SUP_HOLD_EXIT },
		{ SUP_RT_OK, SUP_RUNNING, SUP_REPLY_OK },
		{ SUP_PROC_EXIT, SUP_EXITED, SUP_EXIT },
		{ SUP_IO_EOF, SUP_EXITED, SUP_PUBLISH },
		{ SUP_REQ_KILL, SUP_EXITED, SUP_REFUSE },
		{ SUP_REQ_DELETE, SUP_DELETING, SUP_CALL },
		{ SUP_RT_OK, SUP_DELETED, SUP_REPLY_OK },
		{ SUP_REQ_DELETE, SUP_DELETED, SUP_REFUSE },
	};

	(void)state;
	RUN(&sup_init_table, SUP_NEW, life);
}

static void an_exit_is_not_delayed_by_a_pause(void **state)
{
	static const struct walk life[] = {
		{ SUP_REQ_PAUSE, SUP_PAUSING, SUP_CALL },
		{ SUP_PROC_EXIT, SUP_EXITED, SUP_EXIT },
		{ SUP_DRAIN_TIMEOUT, SUP_EXITED, SUP_PUBLISH },
		{ SUP_RT_FAIL, SUP_EXITED, SUP_REPLY_FAIL },
	};

	(void)state;
	RUN(&sup_init_table, SUP_RUNNING, life);
}

static void a_dead_launcher_rolls_back(void **state)
{
	static const struct walk creating[] = {
		{ SUP_FRONT_GONE, SUP_CREATING, SUP_DOOM },
		{ SUP_RT_OK, SUP_CREATED, SUP_REPLY_OK },
		{ SUP_FRONT_GONE, SUP_DELETING, SUP_ROLL_BACK },
		{ SUP_PROC_EXIT, SUP_DELETING, SUP_EXIT },
		{ SUP_RT_OK, SUP_DELETED, SUP_REPLY_OK },
	};
	static const struct walk failing[] = {
		{ SUP_RT_FAIL, SUP_DELETING, SUP_REPLY_FAIL | SUP_ROLL_BACK },
	};

	(void)state;
	RUN(&sup_init_table, SUP_CREATING, creating);
	RUN(&sup_init_table, SUP_CREATING, failing);
	for (int s = SUP_CREATED; s < SUP_DELETING; s++)
		assert_true(sup_init_table.cell[s][SUP_FRONT_GONE].actions &
			    (SUP_DOOM | SUP_ROLL_BACK));
}

static void a_session(void **state)
{
	static const struct walk life[] = {
		{ SUP_REQ_KILL, SUP_CREATED, SUP_REFUSE },
		{ SUP_REQ_START, SUP_STARTING, SUP_CALL },
		{ SUP_REQ_DELETE, SUP_STARTING, SUP_QUEUE },
		{ SUP_PROC_EXIT, SUP_STARTING, SUP_HOLD_EXIT },
		{ SUP_RT_OK, SUP_RUNNING, SUP_REPLY_OK },
		{ SUP_PROC_EXIT, SUP_EXITED, SUP_EXIT },
		{ SUP_IO_EOF, SUP_EXITED, SUP_PUBLISH },
		{ SUP_REQ_DELETE, SUP_DELETED, SUP_REPLY_OK | SUP_PUBLISH },
	};
	static const struct walk failing[] = {
		{ SUP_REQ_START, SUP_STARTING, SUP_CALL },
		{ SUP_RT_FAIL, SUP_EXITED, SUP_REPLY_FAIL | SUP_PUBLISH },
	};

	(void)state;
	RUN(&sup_exec_table, SUP_CREATED, life);
	RUN(&sup_exec_table, SUP_CREATED, failing);
}

/* Whatever happens to a running container, the next state is one it can be deleted from. */
static void nothing_is_a_dead_end(void **state)
{
	bool seen[SUP_STATE_N] = { [SUP_DELETED] = true };
	bool more = true;

	(void)state;
	while (more) {
		more = false;
		for (int s = 0; s < SUP_STATE_N; s++)
			for (int e = 0; e < SUP_EVENT_N; e++)
				if (!seen[s] && seen[sup_init_table.cell[s][e].next])
					seen[s] = more = true;
	}
	for (int s = 0; s < SUP_STATE_N; s++)
		assert_true(seen[s]);
}

static void names(void **state)
{
	(void)state;
	for (int s = 0; s < SUP_STATE_N; s++)
		assert_non_null(sup_state_name((enum sup_state)s));
	for (int e = 0; e < SUP_EVENT_N; e++)
		assert_non_null(sup_event_name((enum sup_event)e));
	assert_string_equal(sup_state_name(SUP_EXITED), "stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_full),
		cmocka_unit_test(refusals_change_nothing),
		cmocka_unit_test(requests_are_answered_once),
		cmocka_unit_test(calls_end_in_order),
		cmocka_unit_test(the_usual_life),
		cmocka_unit_test(an_exit_is_not_delayed_by_a_pause),
		cmocka_unit_test(a_dead_launcher_rolls_back),
		cmocka_unit_test(a_session),
		cmocka_unit_test(nothing_is_a_dead_end),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
