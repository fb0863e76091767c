// Which frames of an interface are the edge's: they go to the AF_XDP socket of their queue, all
// others to the kernel. Runs for every received frame. The rule is in docs/xdp.md.

#include "steer_maps.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h> // need the types of linux/bpf.h
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

const volatile struct steer_settings settings;
// Set while frames come.
volatile __u32 untagged;   // the port has an untagged attachment
volatile __u32 shared_mac; // the interface has the MAC of the edge

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1); // the loader sets the number of queues
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, STEER_VLANS);
    __type(key, __u32);
    __type(value, __u8);
} vlans SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, STEER_ADDRESSES);
    __type(key, struct steer_key);
    __type(value, __u8);
} addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, STEER_VERDICTS);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct vlan_tag {
    __be16 tci;
    __be16 type;
};

struct arp {
    __u8 fixed[8];
    __u8 sender_mac[6];
    __u8 sender[4];
    __u8 target_mac[6];
    __u8 target[4];
};

struct ipv4 {
    __u8 other[16];
    __u8 destination[4];
};

struct ipv6 {
    __u8 first[6];
    __u8 next_header;
    __u8 hop_limit;
    __u8 source[16];
    __u8 destination[16];
};

struct neighbour_message {
    __u8 type;
    __u8 other[7];
    __u8 target[16];
};

#define NEXT_ICMPV6 58
#define SOLICITATION 135
#define ADVERTISEMENT 136

static __always_inline bool same_mac(const __u8* left, const volatile __u8* right) {
    __u8 difference = 0;
#pragma unroll
    for (int n = 0; n < 6; ++n)
        difference |= left[n] ^ right[n];
    return difference == 0;
}

static __always_inline __u8 what_is(const struct steer_key* key) {
    const __u8* found = bpf_map_lookup_elem(&addresses, key);
    return found ? *found : 0;
}

static __always_inline __u8 what_is_ipv4(const __u8* address) {
    struct steer_key key = {128, {0}};
    key.address[10] = key.address[11] = 0xff;
    __builtin_memcpy(key.address + 12, address, 4);
    return what_is(&key);
}

static __always_inline __u8 what_is_ipv6(const __u8* address) {
    struct steer_key key = {128, {0}};
    __builtin_memcpy(key.address, address, 16);
    return what_is(&key);
}

// Asked for or answered to by the edge, or a neighbour that announces itself on the edge's link.
static __always_inline __u32 steer_arp(const void* at, const void* end) {
    const struct arp* arp = at;
    if ((const void*)(arp + 1) > end)
        return STEER_SHORT;
    const __u8 target = what_is_ipv4(arp->target);
    const bool announces = __builtin_memcmp(arp->sender, arp->target, 4) == 0;
    return target == STEER_OWN || (announces && target == STEER_SUBNET) ? STEER_ARP : STEER_KERNEL;
}

static __always_inline __u32 steer_group_ipv6(const void* at, const void* end) {
    const struct ipv6* ip = at;
    const struct neighbour_message* message = (const void*)(ip + 1);
    if ((const void*)(ip + 1) > end)
        return STEER_SHORT;
    if (ip->next_header != NEXT_ICMPV6)
        return STEER_KERNEL;
    if ((const void*)(message + 1) > end)
        return STEER_KERNEL; // shorter than the messages looked for
    if (message->type != SOLICITATION && message->type != ADVERTISEMENT)
        return STEER_KERNEL;
    const __u8 target = what_is_ipv6(message->target);
    return target == STEER_OWN || (message->type == ADVERTISEMENT && target == STEER_SUBNET)
               ? STEER_ND
               : STEER_KERNEL;
}

// To the edge's MAC. If that is the interface's too, the kernel keeps what is for its addresses.
static __always_inline __u32 steer_unicast(__be16 type, const void* at, const void* end) {
    if (!shared_mac)
        return STEER_UNICAST;
    if (type == bpf_htons(ETH_P_IP)) {
        const struct ipv4* ip = at;
        if ((const void*)(ip + 1) > end)
            return STEER_SHORT;
        return what_is_ipv4(ip->destination) == STEER_HOST ? STEER_KERNEL : STEER_UNICAST;
    }
    if (type == bpf_htons(ETH_P_IPV6)) {
        const struct ipv6* ip = at;
        if ((const void*)(ip + 1) > end)
            return STEER_SHORT;
        return what_is_ipv6(ip->destination) == STEER_HOST ? STEER_KERNEL : STEER_UNICAST;
    }
    return STEER_KERNEL;
}

static __always_inline __u32 steer_untagged(const struct ethhdr* frame, __be16 type, const void* at,
                                            const void* end) {
    if (!untagged)
        return STEER_KERNEL;
    if (type == bpf_htons(ETH_P_ARP))
        return steer_arp(at, end);
    if (frame->h_dest[0] & 1)
        return type == bpf_htons(ETH_P_IPV6) ? steer_group_ipv6(at, end) : STEER_KERNEL;
    return same_mac(frame->h_dest, settings.mac) ? steer_unicast(type, at, end) : STEER_KERNEL;
}

static __always_inline bool passes_in_clear(const struct ethhdr* frame) {
#pragma unroll
    for (int n = 0; n < STEER_ETHER_TYPES; ++n)
        if (settings.clear_types[n] != 0 && settings.clear_types[n] == frame->h_proto)
            return true;
    if (!(frame->h_dest[0] & 1))
        return false;
#pragma unroll
    for (int n = 0; n < STEER_GROUPS; ++n)
        if (n < settings.clear_group_count && same_mac(frame->h_dest, settings.clear_groups[n]))
            return true;
    return false;
}

static __always_inline __u32 steer(const void* data, const void* end) {
    if (settings.all)
        return STEER_ALL;
    const struct ethhdr* frame = data;
    const void* at = frame + 1;
    if (at > end)
        return STEER_SHORT;
    __be16 type = frame->h_proto;
    if (settings.macsec_type != 0 && type == settings.macsec_type)
        return STEER_MACSEC;
    if (settings.macsec_type != 0 && passes_in_clear(frame))
        return STEER_CLEAR;
    if (type == bpf_htons(ETH_P_8021Q)) {
        const struct vlan_tag* tag = at;
        at = tag + 1;
        if (at > end)
            return STEER_SHORT;
        type = tag->type;
        if (settings.macsec_type != 0 && type == settings.macsec_type)
            return STEER_MACSEC; // the tag is in clear
        const __u32 vlan = bpf_ntohs(tag->tci) & 0x0fff;
        if (vlan != 0) {
            const __u8* used = bpf_map_lookup_elem(&vlans, &vlan);
            return used && *used ? STEER_VLAN : STEER_KERNEL;
        }
    }
    return steer_untagged(frame, type, at, end);
}

static __always_inline void count(__u32 verdict) {
    __u64* counter = bpf_map_lookup_elem(&counts, &verdict);
    if (counter)
        ++*counter;
}

SEC("xdp.frags")
int isthmus_steer(struct xdp_md* context) {
    const __u32 verdict =
        steer((const void*)(long)context->data, (const void*)(long)context->data_end);
    if (verdict >= STEER_KERNEL) {
        count(verdict);
        return XDP_PASS;
    }
    // What is the edge's never falls to the kernel.
    const long action = bpf_redirect_map(&sockets, context->rx_queue_index, XDP_DROP);
    count(action == XDP_REDIRECT ? verdict : STEER_NO_SOCKET);
    return (int)action;
}

char license_text[] SEC("license") = "Apache-2.0";
