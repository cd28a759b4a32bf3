# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Those of upstream's IGT subtests that take long: stress tests and the like.

long=--long
# shellcheck source=.ci/suites/upstream-igt.sh
. .ci/suites/upstream-igt.sh
