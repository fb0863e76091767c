# Static MACsec keys for a channel; sourced by the examples beside it.
# shellcheck shell=bash

# A fresh 32-octet key in hexadecimal.
new_sak() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# With XPN suites a SAK has a salt, and each SC that uses it a number, its SSCI.
new_salt() { od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n'; }

# one_way SENDER RECEIVER CHANNEL: SENDER and RECEIVER are shell functions that call isthmusctl for
# one edge. The receiver gets the key first, so that it refuses nothing of what the sender protects
# with it. A key goes through pipes only: it is in no file and on no command line.
one_way() {
    local sender=$1 receiver=$2 channel=$3 shown sci sak salt="" ssci=0 xpn=()
    shown=$("$sender" --json channel show "$channel")
    if [[ $(jq -er .cipher_suite <<<"$shown") == *XPN* ]]; then
        salt=$(new_salt)
    fi
    sak=$(new_sak)
    # The sender has an SC for each of its workers; their SSCIs count up from the first one's.
    for sci in $(jq -er '.tx_scs[].sci' <<<"$shown"); do
        ssci=$((ssci + 1))
        [[ -z $salt ]] || xpn=(--salt "$salt" --ssci "$ssci")
        printf %s "$sak" |
            "$receiver" sa add-rx "$channel" --sci "$sci" --an 0 --key-file - "${xpn[@]}"
    done
    [[ -z $salt ]] || xpn=(--salt "$salt" --ssci 1)
    printf %s "$sak" | "$sender" sa add-tx "$channel" --an 0 --key-file - "${xpn[@]}"
}

install_keys() {
    one_way "$1" "$2" "$3"
    one_way "$2" "$1" "$3"
}
