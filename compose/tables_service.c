/* SPDX-License-Identifier: Apache-2.0 */
/* compose/tables_service.c - every attribute of a service, one line each. */
#include "compose/tables.h"

/* clang-format off */

/* ---- ports and volumes ---- */

#define P compose_port
static const struct attr port_attrs[] = {
	ROW(P, name,         str,  REPLACE, FULL, "shown only"),
	ROW(P, mode,         str,  REPLACE, FULL, "ingress and host are the same here"),
	ROW(P, host_ip,      str,  REPLACE, FULL, "host address; all of them without it"),
	ROW(P, target,       int,  REPLACE, FULL, "port in the container"),
	ROW(P, published,    digits, REPLACE, FULL, "host port, or a range to choose from; none or 0: any free port"),
	ROW(P, protocol,     str,  REPLACE, FULL, "tcp or udp"),
	ROW(P, app_protocol, str,  REPLACE, FULL, "shown only"),
	{ 0 },
};
#undef P

#define M compose_mount
static const struct attr bind_attrs[] = {
	ROW(M, propagation,      str,  REPLACE, FULL, "private, rprivate, shared, rshared, slave or rslave"),
	ROW(M, create_host_path, switch, REPLACE, FULL, "make the source directory when it is missing"),
	CHOICE(M, recursive, "enabled|disabled|writable|readonly", IGNORED, "bind mounts are always recursive"),
	CHOICE(M, selinux,   "z|Z", IGNORED, "no SELinux labels are set"),
	{ 0 },
};
static const struct attr mount_volume_attrs[] = {
	ROW(M, nocopy,  flag, REPLACE, FULL, "do not fill the new volume from the image"),
	ROW(M, subpath, str,  REPLACE, FULL, "mount only this directory of the volume"),
	ROW(M, labels,  labels,  BY_KEY,  IGNORED, "anonymous volumes have no labels of their own"),
	{ 0 },
};
static const struct attr tmpfs_attrs[] = {
	NAMED("size", M, tmpfs_size, room, REPLACE, FULL, "largest size"),
	NAMED("mode", M, tmpfs_mode, int, REPLACE, FULL, "mode of its root directory"),
	{ 0 },
};
static const struct attr mount_image_attrs[] = {
	ROW(M, subpath, str, REPLACE, REFUSED, "images cannot be mounted yet"),
	{ 0 },
};
static const struct attr mount_attrs[] = {
	{ "type", &kind_type, REPLACE, PARTIAL, offsetof(struct M, type), NULL, 0, "bind|volume|tmpfs|image|npipe|cluster", "image, npipe and cluster are refused" },
	ROW(M, source,      str,  REPLACE, FULL, "host path, or name of a volume; none: an anonymous one"),
	ROW(M, target,      str,  REPLACE, FULL, "path in the container"),
	ROW(M, read_only,   flag, REPLACE, FULL, "mount read-only, with all that is mounted below"),
	ROW(M, consistency, str,  REPLACE, FULL, "there is only one consistency on Linux"),
	FLAT(bind,   DEEP, FULL, bind_attrs,         "of bind mounts"),
	FLAT(volume, DEEP, FULL, mount_volume_attrs, "of volumes"),
	FLAT(tmpfs,  DEEP, FULL, tmpfs_attrs,        "of tmpfs mounts"),
	FLAT(image,  DEEP, REFUSED, mount_image_attrs, "images cannot be mounted yet"),
	{ 0 },
};
#undef M

static const struct attr file_ref_attrs[] = {
	ROW(compose_file_ref, source, str,  REPLACE, FULL, "its name under the top-level configs or secrets"),
	ROW(compose_file_ref, target, str,  REPLACE, FULL, "path in the container; /NAME, for secrets /run/secrets/NAME"),
	ROW(compose_file_ref, uid,    str,  REPLACE, FULL, "owner; 0"),
	ROW(compose_file_ref, gid,    str,  REPLACE, FULL, "group; 0"),
	ROW(compose_file_ref, mode,   mode, REPLACE, FULL, "mode; 0444"),
	{ 0 },
};

/* ---- order, health, hooks ---- */

static const struct attr depend_attrs[] = {
	ROW(compose_depend, condition, condition, REPLACE, FULL, "service_started, service_healthy or service_completed_successfully"),
	ROW(compose_depend, restart,   flag, REPLACE, FULL, "restart this service when the other one is"),
	ROW(compose_depend, required,  switch, REPLACE, FULL, "false: go on with a warning without it"),
	{ 0 },
};

#define H compose_health
static const struct attr health_attrs[] = {
	ROW(H, test,           test, REPLACE, FULL, "NONE, CMD or CMD-SHELL and the command; a string is CMD-SHELL"),
	ROW(H, interval,       time, REPLACE, FULL, "between probes; 30s"),
	ROW(H, timeout,        time, REPLACE, FULL, "of one probe; 30s"),
	ROW(H, retries,        natural, REPLACE, FULL, "failures in a row that make it unhealthy; 3"),
	ROW(H, start_period,   time, REPLACE, FULL, "failures do not count in it; 0s"),
	ROW(H, start_interval, time, REPLACE, FULL, "between probes in the start period; 5s"),
	ROW(H, disable,        flag, REPLACE, FULL, "no probes, not even the image's"),
	{ 0 },
};
#undef H

#define K compose_hook
static const struct attr hook_attrs[] = {
	ROW(K, command,     words, REPLACE, FULL, "what is run"),
	ROW(K, user,        str,   REPLACE, FULL, "user[:group]; the service's without it"),
	ROW(K, privileged,  flag,  REPLACE, FULL, "with all capabilities"),
	ROW(K, working_dir, str,   REPLACE, FULL, "directory; the service's without it"),
	ROW(K, environment, env,   BY_KEY,  FULL, "further variables"),
	ROW(K, image,       str,   REPLACE, FULL, "image to run it in, of pre_start"),
	ROW(K, per_replica, flag,  REPLACE, FULL, "once for each instance, of pre_start"),
	{ 0 },
};
#undef K

/* ---- limits and devices ---- */

static const struct attr ulimit_attrs[] = {
	ROW(compose_ulimit, soft, int, REPLACE, FULL, "soft limit"),
	ROW(compose_ulimit, hard, int, REPLACE, FULL, "hard limit"),
	{ 0 },
};

static const struct attr rate_attrs[] = {
	ROW(compose_rate, path, str,  REPLACE, FULL, "path of the device"),
	ROW(compose_rate, rate, size, REPLACE, FULL, "bytes or operations a second"),
	{ 0 },
};
static const struct attr weight_attrs[] = {
	ROW(compose_weight, path,   str, REPLACE, FULL, "path of the device"),
	ROW(compose_weight, weight, int, REPLACE, FULL, "10 to 1000"),
	{ 0 },
};
#define NO_BLKIO "limits of block devices are not set yet"
#define B compose_blkio
static const struct attr blkio_attrs[] = {
	ROW(B,  weight, int, REPLACE, REFUSED, NO_BLKIO),
	LIST(B, weight_device,     records, APPEND, REFUSED, compose_weight, weight_attrs, NO_BLKIO),
	LIST(B, device_read_bps,   records, APPEND, REFUSED, compose_rate, rate_attrs, NO_BLKIO),
	LIST(B, device_write_bps,  records, APPEND, REFUSED, compose_rate, rate_attrs, NO_BLKIO),
	LIST(B, device_read_iops,  records, APPEND, REFUSED, compose_rate, rate_attrs, NO_BLKIO),
	LIST(B, device_write_iops, records, APPEND, REFUSED, compose_rate, rate_attrs, NO_BLKIO),
	{ 0 },
};
#undef B

static const struct attr device_attrs[] = {
	ROW(compose_device, source,      str, REPLACE, FULL, "device on the host"),
	ROW(compose_device, target,      str, REPLACE, FULL, "path in the container; the same without it"),
	ROW(compose_device, permissions, str, REPLACE, FULL, "r, w and m; rwm"),
	{ 0 },
};
static const struct attr request_attrs[] = {
	ROW(compose_device_request, driver,       str,   REPLACE, FULL, "driver of the device"),
	ROW(compose_device_request, count,        count, REPLACE, FULL, "how many, or all"),
	ROW(compose_device_request, device_ids,   list,  APPEND,  FULL, "which ones"),
	ROW(compose_device_request, capabilities, list,  APPEND,  FULL, "what it must be able to do"),
	ROW(compose_device_request, options,      env,   BY_KEY,  FULL, "options of the driver"),
	{ 0 },
};

/* ---- networks and models ---- */

#define NO_ADDRESS "services of a pod share one network and one address"
#define NO_LINK    "services of a pod share one interface"
#define A compose_attachment
static const struct attr attachment_attrs[] = {
	ROW(A, aliases,        list, UNIQUE,  FULL,    "further names in /etc/hosts"),
	ROW(A, interface_name, str,  REPLACE, IGNORED, NO_LINK),
	ROW(A, ipv4_address,   str,  REPLACE, IGNORED, NO_ADDRESS),
	ROW(A, ipv6_address,   str,  REPLACE, IGNORED, NO_ADDRESS),
	ROW(A, link_local_ips, list, UNIQUE,  IGNORED, NO_ADDRESS),
	ROW(A, mac_address,    str,  REPLACE, IGNORED, NO_LINK),
	ROW(A, driver_opts,    opts, BY_KEY,  IGNORED, NO_LINK),
	ROW(A, priority,       int,  REPLACE, FULL,    "there is one interface"),
	ROW(A, gw_priority,    int,  REPLACE, FULL,    "there is one interface"),
	{ 0 },
};
#undef A

static const struct attr model_ref_attrs[] = {
	ROW(compose_model_ref, endpoint_var, str, REPLACE, REFUSED, "there is no model runner"),
	ROW(compose_model_ref, model_var,    str, REPLACE, REFUSED, "there is no model runner"),
	{ 0 },
};

/* ---- build and develop ---- */

#define NO_BUILD "slipway does not build images"
#define B compose_build
static const struct attr build_attrs[] = {
	ROW(B, context,             str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, dockerfile,          str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, dockerfile_inline,   str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, entitlements,        list, UNIQUE,  IGNORED, NO_BUILD),
	ROW(B, ssh,                 ssh,  UNIQUE,  IGNORED, NO_BUILD),
	ROW(B, args,                env,  BY_KEY,  IGNORED, NO_BUILD),
	ROW(B, cache_from,          list, APPEND,  IGNORED, NO_BUILD),
	ROW(B, cache_to,            list, APPEND,  IGNORED, NO_BUILD),
	ROW(B, no_cache,            flag, REPLACE, IGNORED, NO_BUILD),
	ROW(B, no_cache_filter,     strv, UNIQUE,  IGNORED, NO_BUILD),
	ROW(B, additional_contexts, contexts, BY_KEY, IGNORED, NO_BUILD),
	ROW(B, network,             str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, provenance,          either, REPLACE, IGNORED, NO_BUILD),
	ROW(B, sbom,                either, REPLACE, IGNORED, NO_BUILD),
	ROW(B, pull,                flag, REPLACE, IGNORED, NO_BUILD),
	ROW(B, target,              str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, shm_size,            size, REPLACE, IGNORED, NO_BUILD),
	ROW(B, extra_hosts,         hosts, UNIQUE, IGNORED, NO_BUILD),
	ROW(B, isolation,           str,  REPLACE, IGNORED, NO_BUILD),
	ROW(B, privileged,          flag, REPLACE, IGNORED, NO_BUILD),
	LIST(B, secrets,            files, UNIQUE, IGNORED, compose_file_ref, file_ref_attrs, NO_BUILD),
	ROW(B, tags,                list, UNIQUE,  IGNORED, NO_BUILD),
	LIST(B, ulimits,            ulimits, BY_KEY, IGNORED, compose_ulimit, ulimit_attrs, NO_BUILD),
	ROW(B, platforms,           list, UNIQUE,  IGNORED, NO_BUILD),
	ROW(B, labels,              labels,  BY_KEY,  IGNORED, NO_BUILD),
	{ 0 },
};
#undef B

#define NO_WATCH "only 'docker compose watch' uses it"
#define W compose_watch
static const struct attr watch_attrs[] = {
	ROW(W, path,         path, REPLACE, IGNORED, NO_WATCH),
	CHOICE(W, action, "rebuild|sync|restart|sync+restart|sync+exec", IGNORED, NO_WATCH),
	ROW(W, target,       str,  REPLACE, IGNORED, NO_WATCH),
	ROW(W, ignore,       strv, UNIQUE,  IGNORED, NO_WATCH),
	ROW(W, include,      strv, UNIQUE,  IGNORED, NO_WATCH),
	PART(W, exec,        table, IGNORED, hook_attrs, NO_WATCH),
	ROW(W, initial_sync, flag, REPLACE, IGNORED, NO_WATCH),
	{ 0 },
};
#undef W
static const struct attr develop_attrs[] = {
	LIST(compose_develop, watch, watches, APPEND, IGNORED, compose_watch, watch_attrs, NO_WATCH),
	{ 0 },
};

/* ---- deploy ---- */

#define SWARM "only swarm uses it"
#define R compose_rollout
static const struct attr rollout_attrs[] = {
	ROW(R, parallelism,       int,    REPLACE, IGNORED, SWARM),
	ROW(R, delay,             delay,  REPLACE, IGNORED, SWARM),
	ROW(R, failure_action,    str,    REPLACE, IGNORED, SWARM),
	ROW(R, monitor,           delay,  REPLACE, IGNORED, SWARM),
	ROW(R, max_failure_ratio, number, REPLACE, IGNORED, SWARM),
	CHOICE(R, order, "start-first|stop-first", IGNORED, SWARM),
	{ 0 },
};
#undef R
static const struct attr discrete_attrs[] = {
	ROW(compose_generic_resource, kind,  str,    REPLACE, IGNORED, SWARM),
	ROW(compose_generic_resource, value, number, REPLACE, IGNORED, SWARM),
	{ 0 },
};
static const struct attr generic_attrs[] = {
	FLAT(discrete_resource_spec, DEEP, IGNORED, discrete_attrs, SWARM),
	{ 0 },
};
#define R compose_resources
static const struct attr limit_attrs[] = {
	ROW(R, cpus,   nano,   REPLACE, FULL, "most processors at a time"),
	ROW(R, memory, memory, REPLACE, FULL, "memory limit"),
	ROW(R, pids,   int,    REPLACE, FULL, "most processes at a time"),
	{ 0 },
};
static const struct attr reservation_attrs[] = {
	ROW(R,  cpus,              nano,    REPLACE, IGNORED, "processors are not reserved"),
	ROW(R,  memory,            memory,  REPLACE, FULL,    "memory that is not taken from it under pressure"),
	LIST(R, generic_resources, records, APPEND,  IGNORED, compose_generic_resource, generic_attrs, SWARM),
	LIST(R, devices,           requests, APPEND, REFUSED, compose_device_request, request_attrs, "devices need a CDI hook, which slipway does not run yet"),
	{ 0 },
};
#undef R
static const struct attr resource_attrs[] = {
	PART(compose_both_resources, limits,       table, FULL, limit_attrs, "what it may use"),
	PART(compose_both_resources, reservations, table, FULL, reservation_attrs, "what it must have"),
	{ 0 },
};
static const struct attr policy_attrs[] = {
	ROW(compose_restart_policy, condition,    str,  REPLACE, FULL,    "none, on-failure or any; wins over restart"),
	ROW(compose_restart_policy, delay,        time, REPLACE, IGNORED, "the delay grows from 100 ms to a minute"),
	ROW(compose_restart_policy, max_attempts, int,  REPLACE, FULL,    "restarts before it is given up, of on-failure"),
	ROW(compose_restart_policy, window,       time, REPLACE, IGNORED, "a container that ran for 10 s has started well"),
	{ 0 },
};
static const struct attr preference_attrs[] = {
	ROW(compose_preference, spread, str, REPLACE, IGNORED, SWARM),
	{ 0 },
};
static const struct attr placement_attrs[] = {
	ROW(compose_placement,  constraints, list, APPEND, IGNORED, SWARM),
	LIST(compose_placement, preferences, records, APPEND, IGNORED, compose_preference, preference_attrs, SWARM),
	ROW(compose_placement,  max_replicas_per_node, int, REPLACE, IGNORED, SWARM),
	{ 0 },
};
#define D compose_deploy
static const struct attr deploy_attrs[] = {
	ROW(D, mode,             str,   REPLACE, IGNORED, SWARM),
	ROW(D, endpoint_mode,    str,   REPLACE, IGNORED, SWARM),
	ROW(D, replicas,         int,   REPLACE, PARTIAL, "instances share the pod's network: none of several may publish ports"),
	ROW(D, labels,           labels,   BY_KEY,  FULL,    "shown only"),
	PART(D, update_config,   table, IGNORED, rollout_attrs, SWARM),
	PART(D, rollback_config, table, IGNORED, rollout_attrs, SWARM),
	PART(D, resources,       table, FULL,    resource_attrs, "limits and reservations"),
	PART(D, restart_policy,  table, FULL,    policy_attrs, "when it is started again"),
	PART(D, placement,       table, IGNORED, placement_attrs, SWARM),
	{ 0 },
};
#undef D

/* ---- small ones ---- */

static const struct attr env_file_attrs[] = {
	UNREAD("path",     str,  REPLACE, FULL, "the file"),
	UNREAD("required", switch, REPLACE, FULL, "false: fine when it is missing"),
	UNREAD("format",   str,  REPLACE, FULL, "raw: nothing in it is interpreted"),
	{ 0 },
};
static const struct attr extends_attrs[] = {
	UNREAD("service", str, REPLACE, FULL, "the service whose attributes this one starts with"),
	UNREAD("file",    str, REPLACE, FULL, "the file it is in; this one without it"),
	{ 0 },
};
static const struct attr logging_attrs[] = {
	ROW(compose_logging, driver,  str,  REPLACE, PARTIAL, "json-file (10m, 3 files), local (20m, 5 files; kept as json-file), journald or none; others are refused"),
	ROW(compose_logging, options, opts, BY_KEY,  PARTIAL, "max-size, max-file, tag, labels, env, max-buffer-size; mode is always non-blocking, nothing is compressed; others are refused"),
	{ 0 },
};
static const struct attr provider_attrs[] = {
	ROW(compose_provider, type,    str,      REPLACE, REFUSED, "there is no engine that could ask a provider"),
	ROW(compose_provider, options, multi,    DEEP,    REFUSED, "there is no engine that could ask a provider"),
	{ 0 },
};
#define ONLY_WINDOWS "only Windows has it"
static const struct attr credential_attrs[] = {
	ROW(compose_credential, config,   str, REPLACE, IGNORED, ONLY_WINDOWS),
	ROW(compose_credential, file,     str, REPLACE, IGNORED, ONLY_WINDOWS),
	ROW(compose_credential, registry, str, REPLACE, IGNORED, ONLY_WINDOWS),
	{ 0 },
};

/* ---- the service ---- */

#define S compose_service
const struct attr service_attrs[] = {
	ROW(S, annotations,        labels,      BY_KEY,  IGNORED, "nobody here reads annotations; use labels"),
	NAMED("attach", S, no_attach, off,   REPLACE, FULL,    "whether 'up' shows its output"),
	PART(S, blkio_config,      table,             REFUSED, blkio_attrs, NO_BLKIO),
	PART(S, build,             build,             IGNORED, build_attrs, "slipway does not build: image must name what another tool has built and pushed"),
	ROW(S, cap_add,            caps,     UNIQUE,  FULL,    "capabilities added to the default set; ALL: every one but CAP_MKNOD, which is not offered"),
	ROW(S, cap_drop,           caps,     UNIQUE,  FULL,    "capabilities taken away, before cap_add"),
	CHOICE(S, cgroup,          "host|private",    PARTIAL, "private; host is refused"),
	ROW(S, cgroup_parent,      str,      REPLACE, REFUSED, "the group that pods are in is this host's setting cgroup_parent"),
	ROW(S, command,            words,    REPLACE, FULL,    "overrides the image's CMD"),
	LIST(S, configs,           files,    UNIQUE,  FULL,    compose_file_ref, file_ref_attrs, "files of the top-level configs"),
	ROW(S, container_name,     name,     REPLACE, FULL,    "name of the container; PROJECT-SERVICE-1 without it"),
	ROW(S, cpu_count,          natural,  REPLACE, IGNORED, ONLY_WINDOWS),
	ROW(S, cpu_percent,        percent,  REPLACE, IGNORED, ONLY_WINDOWS),
	ROW(S, cpu_period,         amount,   REPLACE, FULL,    "CFS period in microseconds"),
	ROW(S, cpu_quota,          amount,   REPLACE, FULL,    "CFS quota in microseconds"),
	ROW(S, cpu_rt_period,      amount,   REPLACE, REFUSED, "real-time scheduling is not offered"),
	ROW(S, cpu_rt_runtime,     amount,   REPLACE, REFUSED, "real-time scheduling is not offered"),
	ROW(S, cpu_shares,         amount,   REPLACE, FULL,    "relative CPU weight, 1024 by default"),
	ROW(S, cpus,               nano,     REPLACE, FULL,    "most processors at a time"),
	ROW(S, cpuset,             str,      REPLACE, FULL,    "which processors, \"0-3,5\""),
	PART(S, credential_spec,   table,             IGNORED, credential_attrs, ONLY_WINDOWS),
	LIST(S, depends_on,        depends,  DEEP,    FULL,    compose_depend, depend_attrs, "what must be there before this service starts"),
	PART(S, deploy,            part,              PARTIAL, deploy_attrs, "what is not swarm's"),
	PART(S, develop,           part,              FULL,    develop_attrs, NO_WATCH),
	ROW(S, device_cgroup_rules, distinct, APPEND,  FULL,   "rules for device nodes, behind Docker's default ones; device nodes of bind mounts can be opened then"),
	LIST(S, devices,           devices,  UNIQUE,  FULL,    compose_device, device_attrs, "device nodes, or directories of them"),
	ROW(S, dns,                strv,     UNIQUE,  FULL,    "name servers; the host's without it"),
	ROW(S, dns_opt,            list,     UNIQUE,  FULL,    "options of resolv.conf"),
	ROW(S, dns_search,         strv,     UNIQUE,  FULL,    "search domains"),
	ROW(S, domainname,         str,      REPLACE, FULL,    "NIS domain name"),
	ROW(S, entrypoint,         words,    REPLACE, FULL,    "overrides the image's ENTRYPOINT, and drops its CMD"),
	{ "env_file", &kind_envfile, UNIQUE, FULL, SIZE_MAX, env_file_attrs, 1, NULL, "files of variables; environment wins over them" },
	ROW(S, environment,        env,      BY_KEY,  FULL,    "variables for the process"),
	ROW(S, expose,             texts,    UNIQUE,  FULL,    "documentation only: services of a pod reach each other anyway"),
	{ "extends", &kind_extends, REPLACE, FULL, SIZE_MAX, extends_attrs, 0, NULL, "another service whose attributes this one starts with" },
	ROW(S, external_links,     distinct, APPEND,  REFUSED, "there is no engine to find other containers in"),
	ROW(S, extra_hosts,        hosts,    UNIQUE,  FULL,    "further lines of /etc/hosts; host-gateway is this host"),
	LIST(S, gpus,              gpus,     APPEND,  REFUSED, compose_device_request, request_attrs, "gpus need a CDI hook, which slipway does not run yet"),
	ROW(S, group_add,          different, APPEND,  FULL,    "supplementary groups, names of the image or numbers"),
	PART(S, healthcheck,       table,             FULL,    health_attrs, "how to tell that the service works"),
	ROW(S, hostname,           str,      REPLACE, FULL,    "host name; the name of the service without it, SERVICE-N of several (docker: the id)"),
	ROW(S, image,              str,      REPLACE, FULL,    "reference of the image to run"),
	ROW(S, init,               switch,   REPLACE, FULL,    "run an init that reaps and forwards signals as PID 1"),
	ROW(S, ipc,                str,      REPLACE, PARTIAL, "private or none: containers always have an IPC namespace of their own"),
	ROW(S, isolation,          str,      REPLACE, IGNORED, ONLY_WINDOWS),
	{ "label_file", &kind_paths, UNIQUE, FULL, SIZE_MAX, NULL, 0, NULL, "files of labels; labels win over them" },
	ROW(S, labels,             labels,      BY_KEY,  FULL,    "kept with the container"),
	ROW(S, links,              list,     UNIQUE,  FULL,    "services it starts after, and further names for them"),
	{ "logging", &kind_table, BY_DRIVER, PARTIAL, offsetof(struct S, logging), logging_attrs, 0, NULL, "where output goes; rotated by default" },
	ROW(S, mac_address,        str,      REPLACE, IGNORED, NO_LINK),
	ROW(S, mem_limit,          size,     REPLACE, FULL,    "memory limit"),
	ROW(S, mem_reservation,    size,     REPLACE, FULL,    "memory that is not taken from it under pressure"),
	ROW(S, mem_swappiness,     whole,   REPLACE, IGNORED, "use memswap_limit"),
	ROW(S, memswap_limit,      size,     REPLACE, FULL,    "memory and swap together; -1: no limit of swap"),
	LIST(S, models,            names,    DEEP,    REFUSED, compose_model_ref, model_ref_attrs, "there is no model runner"),
	ROW(S, network_mode,       str,      REPLACE, PARTIAL, "bridge (the pod's network), host, none, service:NAME or pod:NAME (the network of a pod that runs)"),
	LIST(S, networks,          names,    DEEP,    PARTIAL, compose_attachment, attachment_attrs, "all services of a pod share one network"),
	ROW(S, oom_kill_disable,   flag,     REPLACE, REFUSED, "a container without memory would hang"),
	ROW(S, oom_score_adj,      adjustment,  REPLACE, FULL,    "-1000 to 1000"),
	ROW(S, pid,                maybe,     REPLACE, REFUSED, "containers always have a PID namespace of their own"),
	ROW(S, pids_limit,         amount,   REPLACE, FULL,    "most processes at a time; -1: no limit"),
	ROW(S, platform,           str,      REPLACE, FULL,    "OS/ARCH[/VARIANT] of the image"),
	LIST(S, ports,             ports,    UNIQUE,  FULL,    compose_port, port_attrs, "ports published on the host"),
	LIST(S, post_start,        hooks,    APPEND,  FULL,    compose_hook, hook_attrs, "commands run in the container when it has started; dependants wait for them"),
	LIST(S, pre_start,         hooks,    APPEND,  REFUSED, compose_hook, hook_attrs, "hooks before the start are not run yet; use a service and depends_on"),
	LIST(S, pre_stop,          hooks,    APPEND,  FULL,    compose_hook, hook_attrs, "commands run in the container before it is stopped, within its grace period"),
	ROW(S, privileged,         flag,     REPLACE, REFUSED, "name the capabilities you need with cap_add"),
	ROW(S, profiles,           list,     UNIQUE,  FULL,    "start only when one of these profiles is on"),
	PART(S, provider,          provider,            REFUSED, provider_attrs, "there is no engine that could ask a provider"),
	ROW(S, pull_policy,        policy,   REPLACE, PARTIAL, "always, never or missing; others are refused"),
	ROW(S, pull_refresh_after, str,      REPLACE, IGNORED, "there is no pull policy refresh"),
	ROW(S, read_only,          flag,     REPLACE, FULL,    "mount the root file system read-only"),
	ROW(S, restart,            str,      REPLACE, FULL,    "no, always, on-failure[:N] or unless-stopped"),
	ROW(S, runtime,            str,      REPLACE, REFUSED, "slipway is the runtime"),
	ROW(S, scale,              int,      REPLACE, PARTIAL, "instances share the pod's network: none of several may publish ports"),
	LIST(S, secrets,           files,    UNIQUE,  FULL,    compose_file_ref, file_ref_attrs, "files of the top-level secrets"),
	ROW(S, security_opt,       distinct, APPEND,  FULL,    "no-new-privileges, seccomp=unconfined or seccomp=FILE, systempaths=unconfined"),
	ROW(S, shm_size,           size,     REPLACE, FULL,    "size of /dev/shm; 64m"),
	ROW(S, stdin_open,         flag,     REPLACE, FULL,    "standard input can be attached to"),
	ROW(S, stop_grace_period,  time,     REPLACE, FULL,    "time between the stop signal and SIGKILL; 10s"),
	ROW(S, stop_signal,        str,      REPLACE, FULL,    "signal that asks the service to end; SIGTERM"),
	ROW(S, storage_opt,        opts,     BY_KEY,  IGNORED, "root file systems have no size limit"),
	ROW(S, sysctls,            labels,      BY_KEY,  FULL,    "kernel parameters of the container's namespaces"),
	ROW(S, tmpfs,              strv,     UNIQUE,  FULL,    "tmpfs mounts, \"/run:size=1m\""),
	ROW(S, tty,                flag,     REPLACE, FULL,    "a terminal for the process"),
	LIST(S, ulimits,           ulimits,  BY_KEY,  FULL,    compose_ulimit, ulimit_attrs, "resource limits; what the kernel refuses is clamped, with a warning"),
	ROW(S, use_api_socket,     flag,     REPLACE, REFUSED, "there is no engine and no socket"),
	ROW(S, user,               str,      REPLACE, FULL,    "user[:group] of the process; names are the image's"),
	ROW(S, userns_mode,        str,      REPLACE, PARTIAL, "host; user namespaces are not offered yet"),
	ROW(S, uts,                str,      REPLACE, REFUSED, "containers always have a host name of their own"),
	LIST(S, volumes,           mounts,   UNIQUE,  FULL,    compose_mount, mount_attrs, "bind mounts, volumes and tmpfs mounts"),
	ROW(S, volumes_from,       distinct, APPEND,  FULL,    "the mounts of another service, \"SERVICE[:ro]\""),
	ROW(S, working_dir,        str,      REPLACE, FULL,    "directory the process starts in; made when missing"),
	{ 0 },
};
#undef S
/* clang-format on */
