// SPDX-License-Identifier: Apache-2.0
/*
 * The user's terminal: raw mode and back, its size, the keys that detach.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "shim/client_private.h"

int client_term_raw(struct client_term *term, int fd, struct err *err)
{
	term->fd = fd;
	term->raw = false;
	if (tcgetattr(fd, &term->saved) < 0)
		return errno == ENOTTY ? 0 : err_sys(err, "terminal");
	term->mode = term->saved;
	cfmakeraw(&term->mode);
	if (tcsetattr(fd, TCSANOW, &term->mode) < 0)
		return err_sys(err, "set the terminal to raw mode");
	term->raw = true;
	return 0;
}

void client_term_again(struct client_term *term)
{
	if (term->raw)
		(void)!tcsetattr(term->fd, TCSANOW, &term->mode);
}

void client_term_restore(struct client_term *term)
{
	/* Not TCSADRAIN: output that nobody takes must not keep us. */
	if (term->raw)
		(void)!tcsetattr(term->fd, TCSANOW, &term->saved);
	term->raw = false;
}

bool client_term_size(int fd, uint32_t *width, uint32_t *height)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return false;
	*width = size.ws_col;
	*height = size.ws_row;
	return true;
}

/* One element of the list: a character, or "ctrl-" and one of a-z @ [ \ ] ^ _. */
static int parse_key(const char *text, size_t n, char *ret)
{
	char c;

	if (n == 1) {
		*ret = text[0];
		return 0;
	}
	if (n != 6 || memcmp(text, "ctrl-", 5) != 0)
		return -EINVAL;
	c = text[5];
	if (c >= 'a' && c <= 'z')
		*ret = (char)(c - 'a' + 1);
	else if (c >= '@' && c <= '_')
		*ret = (char)(c - '@');
	else
		return -EINVAL;
	return 0;
}

int client_keys_parse(struct client_keys *k, const char *text, struct err *err)
{
	const char *p = text;

	*k = (struct client_keys){ 0 };
	while (*p) {
		/* The comma is a key of its own where it stands alone. */
		size_t n = *p == ',' ? 1 : strcspn(p, ",");

		if (k->n == sizeof(k->keys))
			return err_set(err, EINVAL, "detach keys \"%s\": more than %zu", text,
				       sizeof(k->keys));
		if (parse_key(p, n, &k->keys[k->n]) < 0)
			return err_set(err, EINVAL, "detach keys \"%s\": unknown key \"%.*s\"",
				       text, (int)n, p);
		k->n++;
		p += n;
		if (*p == ',' && p[1] != '\0')
			p++;
		else if (*p)
			return err_set(err, EINVAL, "detach keys \"%s\": ends with a comma", text);
	}
	return 0;
}

bool client_keys_filter(struct client_keys *k, const char *data, size_t n, struct str *out)
{
	char held[sizeof(k->keys) + 1];

	for (size_t i = 0; i < n; i++) {
		size_t total = k->matched + 1, keep = total;

		memcpy(held, k->keys, k->matched);
		held[k->matched] = data[i];
		/* What is held back is the longest end of the input that begins the keys. */
		while (keep > 0 && (keep > k->n || memcmp(held + total - keep, k->keys, keep) != 0))
			keep--;
		str_add_n(out, held, total - keep);
		k->matched = keep;
		if (k->n > 0 && keep == k->n) {
			k->matched = 0;
			return true;
		}
	}
	return false;
}
