/* What the steering program and its loader agree on. C, for both. */
#ifndef ISTHMUS_STEER_MAPS_H
#define ISTHMUS_STEER_MAPS_H

#include <linux/types.h>

#define STEER_ETHER_TYPES 8
#define STEER_GROUPS 8
#define STEER_VLANS 4096
#define STEER_ADDRESSES 65536

/* Where a frame went, and why. Names are in steering.cpp, in the same order. */
enum steer_verdict {
    STEER_MACSEC, /* to the edge: the MACsec EtherType */
    STEER_CLEAR,  /* a protocol that a channel passes in clear */
    STEER_VLAN,   /* the VLAN of an attachment or feature */
    STEER_ARP,    /* about an address of the edge */
    STEER_ND,
    STEER_UNICAST,   /* untagged, to the edge's MAC */
    STEER_ALL,       /* frames=all */
    STEER_KERNEL,    /* everything else */
    STEER_SHORT,     /* to the kernel: headers incomplete in the frame's first buffer */
    STEER_NO_SOCKET, /* dropped: the edge's, on a queue that has no socket */
    STEER_VERDICTS
};

/* What an address is to an untagged port. Longest prefix first; IPv4 is mapped into IPv6. */
enum steer_address {
    STEER_OWN = 1, /* of the edge */
    STEER_SUBNET,  /* of a link of the edge */
    STEER_HOST     /* of the kernel on this interface */
};

struct steer_key {
    __u32 length; /* of the prefix, bits */
    __u8 address[16];
};

/* Fixed when the program is loaded; network byte order. */
struct steer_settings {
    __u16 macsec_type;                    /* 0: no channel with MACsec */
    __u16 clear_types[STEER_ETHER_TYPES]; /* 0: none */
    __u8 clear_groups[STEER_GROUPS][6];
    __u8 clear_group_count;
    __u8 mac[6]; /* of the edge */
    __u8 all;
};

#endif
