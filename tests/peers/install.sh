#!/bin/sh
# Installs the real programs that the tests talk to, on Debian and Ubuntu as root. Nothing is started, no signature
# database is downloaded, and a machine that has them all is left alone.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d

missing_packages() {
    # command:package
    for pair in clamd:clamav-daemon postfix:postfix smtp-source:postfix swaks:swaks mutt:mutt openssl:openssl \
        strace:strace knotd:knot unbound:unbound pebble:pebble promtool:prometheus slapd:slapd ldapsearch:ldap-utils \
        chromium:chromium \
        testssl:testssl.sh sslscan:sslscan opendkim:opendkim opendkim-testmsg:opendkim-tools \
        dovecot:dovecot-core mbsync:isync offlineimap:offlineimap3 curl:curl mpop:mpop fetchmail:fetchmail \
        getmail:getmail6; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair#*:}"
    done | sort -u | tr '\n' ' '
    # Programs that dovecot itself starts.
    [ -e /usr/lib/dovecot/imap-login ] || printf 'dovecot-imapd '
    [ -e /usr/lib/dovecot/pop3-login ] || printf 'dovecot-pop3d '
    perl -MMail::DKIM -e1 2>/dev/null || printf 'libmail-dkim-perl '
    ldconfig -p | grep -q 'libopendmarc\.so\.2' || printf 'libopendmarc2 '
    # Its programs are in no folder of the path.
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || printf 'postgresql '
    # A package of its own since SpamAssassin 4, in Debian 12 and Ubuntu 24.04; before that the rules' package has it.
    command -v spamd >/dev/null 2>&1 ||
        if apt-cache show spamd >/dev/null 2>&1; then printf 'spamd '; else printf 'spamassassin '; fi
}

# What is asked about the accessibility of pages, and an IMAP client, from npm; without npm those tests are skipped.
# Together, for npm removes what it is not told of.
axe=4.14.1
imapflow=2.10.2
cd "$(dirname "$0")"
stamp="node_modules/axe-core-$axe-imapflow-$imapflow"
if [ ! -e "$stamp" ] && command -v npm >/dev/null 2>&1; then
    npm install --silent --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --prefix . \
        "axe-core@$axe" "imapflow@$imapflow" && touch "$stamp" ||
        echo "tests/peers: axe-core and imapflow cannot be fetched; the tests that need them will be skipped"
fi

missing=$(missing_packages)
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "tests/peers: not installed: $missing(needs root and apt-get); the tests that talk to them will be skipped"
    exit 0
fi

# One at a time, for the policy file below is shared by the machine.
exec 9>/run/lock/hub-tests-peers
flock 9
missing=$(missing_packages)
[ -n "$missing" ] || exit 0

# A machine's own policy is put back afterwards, also the one that a killed run has left behind.
kept="$policy.kept-by-hub-tests"
restore_policy() {
    rm -f "$policy"
    [ ! -e "$kept" ] || mv "$kept" "$policy"
}
if [ -e "$policy" ] && [ ! -e "$kept" ]; then
    mv "$policy" "$kept"
fi
trap restore_policy EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# 101: the action is forbidden by policy (invoke-rc.d(8)), so that packages do not start their daemons.
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "tests/peers: installing $missing"
apt-get update -qq
missing=$(missing_packages)  # what a package is called is known now
case " $missing" in *" postfix "*)
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections ;;
esac
case " $missing" in *" slapd "*)
    echo "slapd slapd/no_configuration boolean true" | debconf-set-selections ;;
esac
# shellcheck disable=SC2086  # a list of words
apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing >/dev/null

# What came now does not start at the next boot either.
if [ -d /run/systemd/system ]; then
    case " $missing" in *" clamav-daemon "*)
        systemctl disable --quiet clamav-daemon.service clamav-daemon.socket clamav-freshclam.service || : ;;
    esac
    case " $missing" in *" postfix "*)
        systemctl disable --quiet postfix.service || : ;;
    esac
    case " $missing" in *" postgresql "*)
        systemctl disable --quiet postgresql.service || : ;;
    esac
    case " $missing" in *" spamd "* | *" spamassassin "*)
        # Which of them there are depends on the release.
        for unit in spamd.service spamassassin.service spamassassin-maintenance.timer; do
            systemctl disable --quiet "$unit" 2>/dev/null || :
        done ;;
    esac
    case " $missing" in *" dovecot-core "* | *" dovecot-imapd "* | *" dovecot-pop3d "*)
        systemctl disable --quiet dovecot.service dovecot.socket || : ;;
    esac
    case " $missing" in *" fetchmail "*)
        systemctl disable --quiet fetchmail.service || : ;;
    esac
    case " $missing" in *" knot "*)
        systemctl disable --quiet knot.service || : ;;
    esac
    case " $missing" in *" opendkim "*)
        systemctl disable --quiet opendkim.service || : ;;
    esac
    case " $missing" in *" unbound "*)
        systemctl disable --quiet unbound.service || : ;;
    esac
    case " $missing" in *" prometheus "*)
        systemctl disable --quiet prometheus.service || : ;;
    esac
    case " $missing" in *" slapd "*)
        systemctl disable --quiet slapd.service || : ;;
    esac
fi

missing=$(missing_packages)
if [ -n "$missing" ]; then
    echo "tests/peers: still missing after the installation: $missing" >&2
    exit 1
fi
