/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink on a stack buffer: libmnl only formats and reads the messages.
 */
#include "runtime/netdev.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "common/fd.h"

#define NETDEV_BUFFER 32768 /* what the kernel puts into one packet of a dump */

/* One packet of answers. 1: go on reading. */
static int read_packet(const char *buf, size_t n, const struct nlmsghdr *request, netdev_each each,
		       void *user)
{
	int left = (int)n;

	for (const struct nlmsghdr *reply = (const void *)buf; mnl_nlmsg_ok(reply, left);
	     reply = mnl_nlmsg_next(reply, &left)) {
		if (reply->nlmsg_seq != request->nlmsg_seq)
			continue;
		if (reply->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EINTR;
		if (reply->nlmsg_type == NLMSG_ERROR) {
			if (mnl_nlmsg_get_payload_len(reply) < sizeof(struct nlmsgerr))
				return -EBADMSG;
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(reply))->error;
		}
		if (reply->nlmsg_type == NLMSG_DONE)
			return 0;
		if (each)
			each(user, reply);
	}
	return 1;
}

int netdev_request(int fd, const struct nlmsghdr *request, netdev_each each, void *user)
{
	char buf[NETDEV_BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK }, from = { 0 };
	ssize_t n;
	int r = 1;

	do {
		n = sendto(fd, request, request->nlmsg_len, 0, (struct sockaddr *)&kernel,
			   sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	while (r > 0) {
		socklen_t from_len = sizeof(from);

		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		/* Any process may write to a netlink socket; only port 0 is the kernel. */
		if (from_len != sizeof(from) || from.nl_pid != 0)
			continue;
		r = read_packet(buf, (size_t)n, request, each, user);
	}
	return r;
}

int netdev_loopback_up(struct err *err)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *header;
	struct ifinfomsg *info;
	int r;

	if (fd < 0)
		return err_sys(err, "open rtnetlink socket");
	header = mnl_nlmsg_put_header(buf);
	header->nlmsg_type = RTM_NEWLINK;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = 1;
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_flags = IFF_UP;
	info->ifi_change = IFF_UP;
	mnl_attr_put_strz(header, IFLA_IFNAME, "lo");
	r = netdev_request(fd, header, NULL, NULL);
	if (r < 0)
		return err_sysn(err, r, "bring network device \"lo\" up");
	return 0;
}
