#!/usr/bin/env bash
# Installs or upgrades sluice-agent on this host: the release tree in /opt/sluice, the user and the unit
# sluice-agent, /etc/sluice with an example. Run as root from a checkout. It starts nothing, and it never touches an
# agent.yaml.
#
#   install.sh [--tcp-buffers] [--root DIR]
#     --tcp-buffers  also /etc/sysctl.d/90-sluice-agent.conf: larger send buffers, for fast links with a long way
#     --root DIR     only lays out the files below DIR (packaging): no user, no owners, no systemctl
set -euo pipefail
umask 022

root='' tcp_buffers=no
while [ $# -gt 0 ]; do
  case "$1" in
    --tcp-buffers) tcp_buffers=yes ;;
    --root)
      root=${2:?--root takes a directory}
      shift
      ;;
    *)
      echo "usage: $0 [--tcp-buffers] [--root DIR]" >&2
      exit 64
      ;;
  esac
  shift
done
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
  echo "$0: run it as root, or with --root DIR" >&2
  exit 69
fi

here=$(cd "$(dirname "$0")" && pwd)
tree="$root/opt/sluice"
mkdir -p "$root/opt"
rm -rf "$tree.new"
"$here/../release/make-tree.sh" agent "$tree.new"
rm -rf "$tree.previous"
if [ -e "$tree" ]; then mv "$tree" "$tree.previous"; fi
mv "$tree.new" "$tree"

install -D -m 0644 "$here/sluice-agent.service" "$root/etc/systemd/system/sluice-agent.service"
install -D -m 0644 "$here/sluice-agent.sysusers" "$root/etc/sysusers.d/sluice-agent.conf"
install -d -m 0750 "$root/etc/sluice"
install -m 0640 "$here/agent.example.yaml" "$root/etc/sluice/agent.example.yaml"
install -d "$root/usr/local/bin"
ln -sfn /opt/sluice/bin/sluice-agent "$root/usr/local/bin/sluice-agent"
if [ "$tcp_buffers" = yes ]; then
  install -D -m 0644 "$here/90-sluice-agent.conf" "$root/etc/sysctl.d/90-sluice-agent.conf"
fi
if [ -n "$root" ]; then exit 0; fi

systemd-sysusers /etc/sysusers.d/sluice-agent.conf
chgrp -R sluice-agent /etc/sluice
# The unit would make it at the first start; `check` wants it before.
install -d -o sluice-agent -g sluice-agent -m 0700 /var/lib/sluice-agent
if [ "$tcp_buffers" = yes ]; then /usr/lib/systemd/systemd-sysctl /etc/sysctl.d/90-sluice-agent.conf; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

cat <<'EOS'
installed. Next:
  1. write /etc/sluice/agent.yaml (see agent.example.yaml) and put the certificates beside it
  2. chgrp -R sluice-agent /etc/sluice && chmod 0640 /etc/sluice/*
  3. runuser -u sluice-agent -- sluice-agent check
  4. systemctl enable --now sluice-agent       (after an upgrade: systemctl restart sluice-agent)
EOS
