# Static MACsec keys for a channel; sourced by the examples beside it.
# shellcheck shell=bash

# A fresh 32-octet key in hexadecimal.
new_sak() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# one_way SENDER RECEIVER CHANNEL: SENDER and RECEIVER are shell functions that call isthmusctl for
# one edge. The receiver gets the key first, so that it refuses nothing of what the sender protects
# with it. A key goes through pipes only: it is in no file and on no command line.
one_way() {
    local sender=$1 receiver=$2 channel=$3 sci sak
    sci=$("$sender" --json channel show "$channel" | jq -er '.tx_scs[0].sci')
    sak=$(new_sak)
    printf %s "$sak" | "$receiver" sa add-rx "$channel" --sci "$sci" --an 0 --key-file -
    printf %s "$sak" | "$sender" sa add-tx "$channel" --an 0 --key-file -
}

install_keys() {
    one_way "$1" "$2" "$3"
    one_way "$2" "$1" "$3"
}
