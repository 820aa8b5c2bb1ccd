#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The docker suite with thole-shim, under the name of runc's shim, above thole. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
DOCKER_SHIM=name CLIENTS_SECONDS=${CLIENTS_SECONDS:-400} exec bash tests/integration/docker.sh
