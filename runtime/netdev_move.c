/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving network devices. See netdev_move.h.
 */
#include "runtime/netdev_move.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "runtime/netdev.h"

#define REQUEST_MAX 1024
#define TEMPLATE_MAX 4096 /* numbers tried for a %d */
#define DUMP_TRIES 8
#define ADDRESSES_MAX 4096
#define ADDRESS_PROTO_KERNEL_LL 3 /* IFAPROT_KERNEL_LL of Linux 5.18 */

struct address {
	uint8_t family, prefix, scope;
	uint8_t local_len, peer_len, broadcast_len;
	bool goes; /* with the device; else it is for the way back only */
	bool has_priority, has_proto, has_lifetimes;
	struct ifa_cacheinfo lifetimes;
	uint8_t proto;
	uint32_t flags, priority;
	uint8_t local[16], peer[16], broadcast[16];
};

struct netdev_moved {
	char host_name[IFNAMSIZ], name[IFNAMSIZ]; /* in the two namespaces */
	int index;                                /* on the host, before */
	uint32_t master;
	bool was_up, is_down, is_away; /* what is to be undone */
	struct address *addresses;
	size_t n_addresses;
};

/* ---- messages ---- */

struct request {
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *header;
};

static void *begin(struct request *q, uint16_t type, uint16_t flags, size_t payload)
{
	static uint32_t sequence;

	q->header = mnl_nlmsg_put_header(q->buf);
	q->header->nlmsg_type = type;
	q->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	q->header->nlmsg_seq = ++sequence;
	return mnl_nlmsg_put_extra_header(q->header, payload);
}

static struct ifinfomsg *begin_link(struct request *q, uint16_t type, int index)
{
	struct ifinfomsg *info = begin(q, type, NLM_F_ACK, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = index;
	return info;
}

static int send_request(int fd, const struct request *q)
{
	return netdev_request(fd, q->header, NULL, NULL);
}

/* ---- links ---- */

struct link {
	int index;
	uint32_t master;
	bool up;
	char name[IFNAMSIZ];
};

static void read_link(void *user, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link *link = user;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return;
	link->index = info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_MASTER)
			link->master = mnl_attr_get_u32(attr);
	}
}

/* -ENODEV if there is none of that name. */
static int find_link(int fd, const char *name, struct link *ret)
{
	struct request q = { 0 };
	struct link link = { 0 };
	int r;

	(void)begin_link(&q, RTM_GETLINK, 0);
	mnl_attr_put_strz(q.header, IFLA_IFNAME, name);
	r = netdev_request(fd, q.header, read_link, &link);
	if (r >= 0 && link.index <= 0)
		r = -ENODEV;
	if (r >= 0)
		*ret = link;
	return r;
}

static int set_up(int fd, int index, bool up)
{
	struct request q = { 0 };
	struct ifinfomsg *info = begin_link(&q, RTM_NEWLINK, index);

	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
	return send_request(fd, &q);
}

static int set_master(int fd, int index, uint32_t master)
{
	struct request q = { 0 };

	(void)begin_link(&q, RTM_NEWLINK, index);
	mnl_attr_put_u32(q.header, IFLA_MASTER, master);
	return send_request(fd, &q);
}

static int move_link(int fd, int index, int netns, const char *name)
{
	struct request q = { 0 };

	(void)begin_link(&q, RTM_NEWLINK, index);
	mnl_attr_put_u32(q.header, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_put_strz(q.header, IFLA_IFNAME, name);
	return send_request(fd, &q);
}

/* ---- addresses ---- */

struct collect {
	struct arena *arena;
	uint32_t index;
	struct address *v;
	size_t n, room;
};

static void copy_address(const struct nlattr *attr, uint8_t *bytes, uint8_t *len)
{
	if (mnl_attr_get_payload_len(attr) > 16)
		return;
	*len = (uint8_t)mnl_attr_get_payload_len(attr);
	memcpy(bytes, mnl_attr_get_payload(attr), *len);
}

static void read_attributes(const struct nlmsghdr *message, struct address *a)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifaddrmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFA_LOCAL:
			copy_address(attr, a->local, &a->local_len);
			break;
		case IFA_ADDRESS:
			copy_address(attr, a->peer, &a->peer_len);
			break;
		case IFA_BROADCAST:
			copy_address(attr, a->broadcast, &a->broadcast_len);
			break;
		case IFA_FLAGS:
			a->flags = mnl_attr_get_u32(attr);
			break;
		case IFA_RT_PRIORITY:
			a->has_priority = true;
			a->priority = mnl_attr_get_u32(attr);
			break;
		case IFA_PROTO:
			a->has_proto = true;
			a->proto = mnl_attr_get_u8(attr);
			break;
		case IFA_CACHEINFO:
			a->has_lifetimes = mnl_attr_get_payload_len(attr) >= sizeof(a->lifetimes);
			if (a->has_lifetimes)
				memcpy(&a->lifetimes, mnl_attr_get_payload(attr),
				       sizeof(a->lifetimes));
			break;
		default:
			break;
		}
	}
}

static void read_address(void *user, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct collect *c = user;
	struct address a = { 0 };

	if (message->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ifa_index != c->index ||
	    c->n == ADDRESSES_MAX)
		return;
	a.family = info->ifa_family;
	a.prefix = info->ifa_prefixlen;
	a.scope = info->ifa_scope;
	a.flags = info->ifa_flags;
	read_attributes(message, &a);
	/* The kernel makes link-local ones itself when the device goes up. */
	if (a.has_proto && a.proto == ADDRESS_PROTO_KERNEL_LL)
		return;
	/* What DHCP or a router gave ends when they say so: they cannot in there. */
	a.goes = a.scope == RT_SCOPE_UNIVERSE && (a.flags & IFA_F_PERMANENT);
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 8;
		struct address *more = ARENA_ARRAY(c->arena, room, struct address);

		if (c->n)
			memcpy(more, c->v, c->n * sizeof(*more));
		c->room = room;
		c->v = more;
	}
	c->v[c->n++] = a;
}

static int collect_addresses(struct arena *arena, int fd, struct netdev_moved *m)
{
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		struct collect c = { .arena = arena, .index = (uint32_t)m->index };
		struct request q = { 0 };
		struct ifaddrmsg *info = begin(&q, RTM_GETADDR, NLM_F_DUMP, sizeof(*info));

		info->ifa_family = AF_UNSPEC;
		r = netdev_request(fd, q.header, read_address, &c);
		m->addresses = c.v;
		m->n_addresses = c.n;
	}
	return r;
}

static int add_address(int fd, int index, const struct address *a)
{
	/* The kernel finds the rest out again (tentative, secondary). */
	const uint32_t keep = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
			      IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN | IFA_F_PERMANENT;
	struct request q = { 0 };
	struct ifaddrmsg *info =
		begin(&q, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));
	int r;

	info->ifa_family = a->family;
	info->ifa_prefixlen = a->prefix;
	info->ifa_scope = a->scope;
	info->ifa_index = (uint32_t)index;
	if (a->local_len)
		mnl_attr_put(q.header, IFA_LOCAL, a->local_len, a->local);
	if (a->peer_len)
		mnl_attr_put(q.header, IFA_ADDRESS, a->peer_len, a->peer);
	if (a->broadcast_len)
		mnl_attr_put(q.header, IFA_BROADCAST, a->broadcast_len, a->broadcast);
	mnl_attr_put_u32(q.header, IFA_FLAGS, a->flags & keep);
	if (a->has_lifetimes && !(a->flags & IFA_F_PERMANENT))
		mnl_attr_put(q.header, IFA_CACHEINFO, sizeof(a->lifetimes), &a->lifetimes);
	if (a->has_priority)
		mnl_attr_put_u32(q.header, IFA_RT_PRIORITY, a->priority);
	if (a->has_proto)
		mnl_attr_put_u8(q.header, IFA_PROTO, a->proto);
	r = send_request(fd, &q);
	return r == -EEXIST ? 0 : r;
}

static int add_addresses(int fd, int index, const struct netdev_moved *m, bool all)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < m->n_addresses; i++)
		if (all || m->addresses[i].goes)
			r = add_address(fd, index, &m->addresses[i]);
	return r;
}

/* ---- one device ---- */

int netdev_choose_name(const char *wanted, bool (*is_taken)(void *user, const char *name),
		       void *user, char ret[16])
{
	const char *percent = strstr(wanted, "%d");
	int n;

	if (!percent) {
		if (strlen(wanted) >= IFNAMSIZ)
			return -ENAMETOOLONG;
		if (is_taken(user, wanted))
			return -EEXIST;
		memcpy(ret, wanted, strlen(wanted) + 1);
		return 0;
	}
	for (int i = 0; i < TEMPLATE_MAX; i++) {
		n = snprintf(ret, IFNAMSIZ, "%.*s%d%s", (int)(percent - wanted), wanted, i,
			     percent + 2);
		if (n >= IFNAMSIZ)
			return -ENAMETOOLONG;
		if (!is_taken(user, ret))
			return 0;
	}
	return -ENFILE;
}

static bool is_taken_there(void *user, const char *name)
{
	const struct netdev_moves *moves = user;
	struct link link;

	return find_link(moves->there, name, &link) != -ENODEV;
}

static int arrive(struct netdev_moves *moves, struct netdev_moved *m)
{
	struct link link;
	int r = find_link(moves->there, m->name, &link);

	if (r >= 0)
		r = add_addresses(moves->there, link.index, m, false);
	return r < 0 ? r : set_up(moves->there, link.index, true);
}

/* The name of its own is taken in there: told, and not left to the kernel, which would move the
 * device first and rename it after. */
static int look_at(struct arena *arena, const struct spec_net_device *device,
		   struct netdev_moves *moves, struct netdev_moved *m, struct err *err)
{
	const char *wanted = device->name ? device->name : device->host_name;
	struct link link;
	int r = find_link(moves->host, device->host_name, &link);

	if (r < 0)
		return err_sysn(err, r, "linux.netDevices: network device \"%s\"",
				device->host_name);
	r = netdev_choose_name(wanted, is_taken_there, moves, m->name);
	if (r == -EEXIST)
		return err_set(err, EEXIST,
			       "linux.netDevices: network device \"%s\": the container's network "
			       "namespace has a device \"%s\" already",
			       device->host_name, wanted);
	if (r < 0)
		return err_sysn(err, r, "linux.netDevices: a name for network device \"%s\"",
				device->host_name);
	snprintf(m->host_name, sizeof(m->host_name), "%s", link.name);
	m->index = link.index;
	m->master = link.master;
	m->was_up = link.up;
	r = collect_addresses(arena, moves->host, m);
	return r < 0 ? err_sysn(err, r, "linux.netDevices: addresses of network device \"%s\"",
				device->host_name)
		     : 0;
}

static int move_one(struct arena *arena, const struct spec_net_device *device,
		    struct netdev_moves *moves, struct err *err)
{
	struct netdev_moved *m = &moves->v[moves->n];
	int r = look_at(arena, device, moves, m, err);

	if (r < 0)
		return r;
	moves->n++;
	m->is_down = true;
	r = m->was_up ? set_up(moves->host, m->index, false) : 0;
	if (r >= 0) {
		r = move_link(moves->host, m->index, moves->there_ns, m->name);
		m->is_away = r >= 0;
		if (r < 0) {
			struct link link;

			/* Moved, but not renamed. */
			m->is_away = find_link(moves->host, m->host_name, &link) == -ENODEV;
			if (m->is_away)
				memcpy(m->name, m->host_name, sizeof(m->name));
		}
	}
	if (r >= 0)
		r = arrive(moves, m);
	return r < 0 ? err_sysn(err, r, "linux.netDevices: move network device \"%s\"",
				device->host_name)
		     : 0;
}

static int move_one_back(struct netdev_moves *moves, struct netdev_moved *m)
{
	struct link link = { .index = m->index };
	int r = 0;

	if (m->is_away) {
		r = find_link(moves->there, m->name, &link);
		if (r >= 0)
			r = set_up(moves->there, link.index, false);
		if (r >= 0)
			r = move_link(moves->there, link.index, moves->host_ns, m->host_name);
		if (r >= 0)
			r = find_link(moves->host, m->host_name, &link);
		if (r >= 0 && m->master)
			r = set_master(moves->host, link.index, m->master);
	}
	if (r >= 0)
		r = add_addresses(moves->host, link.index, m, true);
	if (r >= 0 && m->was_up)
		r = set_up(moves->host, link.index, true);
	return r;
}

/* ---- all of them ---- */

void netdev_move_back(struct netdev_moves *moves)
{
	while (moves->n > 0) {
		struct netdev_moved *m = &moves->v[--moves->n];
		int r = m->is_down ? move_one_back(moves, m) : 0;

		if (r < 0)
			log_warning("network device \"%s\" was not moved back: %s", m->host_name,
				    err_strerror(-r));
	}
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int netdev_move_all(struct arena *arena, const struct spec_net_device *devices, size_t n,
		    struct netdev_moves *moves, struct err *err)
{
	int r = 0;

	moves->host_ns = fd_open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC, 0);
	if (moves->host_ns < 0)
		return err_sysn(err, moves->host_ns, "open \"/proc/self/ns/net\"");
	if (is_same_file(moves->host_ns, moves->there_ns))
		return err_set(err, EINVAL,
			       "linux.netDevices: the container's network namespace is the "
			       "runtime's own");
	moves->host = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (moves->host < 0)
		return err_sys(err, "open rtnetlink socket");
	moves->v = ARENA_ARRAY(arena, n, struct netdev_moved);
	moves->n = 0;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = move_one(arena, &devices[i], moves, err);
	if (r < 0)
		netdev_move_back(moves);
	return r;
}

void netdev_moves_done(struct netdev_moves *moves)
{
	moves->host = fd_close(moves->host);
	moves->there = fd_close(moves->there);
	moves->host_ns = fd_close(moves->host_ns);
	moves->there_ns = fd_close(moves->there_ns);
	moves->n = 0;
}
