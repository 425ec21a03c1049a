#!/bin/sh
# Runs npm test as the other kind of user: root runs it as an ordinary user, whom it makes where there
# is none, and an ordinary user as root, by sudo. Root may do everything, and so proves nothing of what
# others may; an ordinary user cannot become somebody else, and so skips what is about that.
# It runs in a copy of the checkout: no file here changes its owner. The C++ programs, and
# the files that vitest.config.ts lists, ask nothing of the user and are left out.
set -eu
cd "$(dirname "$0")/.."
user=sluice-test
copy=$(mktemp -d /tmp/sluice-as-other.XXXXXX)

if [ "$(id -u)" -eq 0 ]; then
  as_root=
  id "$user" >/dev/null 2>&1 || useradd --create-home "$user"
else
  as_root=sudo
  user=root
fi
trap '$as_root rm -rf "$copy"' EXIT

# All that is built goes with it, by content nothing of it is stale.
tar -cf - --exclude=./.git --exclude='./build-*' --exclude=./.cache . | tar -xf - -C "$copy"
cp -r .cache/ensure "$copy/.cache-ensure"
mkdir "$copy/.cache"
mv "$copy/.cache-ensure" "$copy/.cache/ensure"
$as_root chown -R "$user" "$copy"
$as_root chmod 755 "$copy"

cd "$copy"
if [ "$user" = root ]; then
  sudo env PATH="$PATH" CI="${CI-}" SLUICE_AS_ANOTHER_USER=1 npm test -- test/
else
  home=$(python3 -c 'import pwd, sys; print(pwd.getpwnam(sys.argv[1]).pw_dir)' "$user")
  runuser -u "$user" -- env HOME="$home" SLUICE_AS_ANOTHER_USER=1 npm test -- test/
fi
