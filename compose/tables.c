/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/tables.c - every attribute, one line each.
 *
 * Checking, merging, reading, printing and the reference page all walk these
 * tables; an attribute exists when its line does.
 */
#include <stddef.h>

#include "compose/kinds.h"

#define ROW(s, f, k, m, sup, doc)                                \
	{                                                        \
#f, &kind_##k, m, sup, FIELD(s, f, k), NULL, doc \
	}
#define SUB(s, f, k, m, sup, tab, doc)                          \
	{                                                       \
#f, &kind_##k, m, sup, FIELD(s, f, k), tab, doc \
	}
#define TABLE(s, f, tab, doc)                                                    \
	{                                                                        \
#f, &kind_table, BY_TABLE, FULL, offsetof(struct s, f), tab, doc \
	}
#define FLAT(n, tab, doc)                                   \
	{                                                   \
		n, &kind_table, BY_TABLE, FULL, 0, tab, doc \
	}
#define UNREAD(n, k, m, sup, tab, doc)                     \
	{                                                  \
		n, &kind_##k, m, sup, (size_t)-1, tab, doc \
	}
#define NO(n, why)                                               \
	{                                                        \
		n, NULL, REPLACE, REFUSED, (size_t)-1, NULL, why \
	}

/* clang-format off */
const struct attr port_attrs[] = {
	UNREAD("target",      int,  REPLACE, FULL, NULL, "port in the container"),
	ROW(compose_port, published, text, REPLACE, FULL, "host port, or a range to choose from; none or 0: any free port"),
	ROW(compose_port, host_ip,   str,  REPLACE, FULL, "host address; all of them without it"),
	ROW(compose_port, protocol,  str,  REPLACE, FULL, "tcp or udp"),
	ROW(compose_port, name,      str,  REPLACE, FULL, "shown only"),
	UNREAD("mode",         str, REPLACE, FULL, NULL, "ingress and host are the same here"),
	UNREAD("app_protocol", str, REPLACE, FULL, NULL, "shown only"),
	{ 0 },
};

const struct attr bind_attrs[] = {
	ROW(compose_mount, propagation,      str,  REPLACE, FULL, "private, rprivate, shared, rshared, slave or rslave"),
	ROW(compose_mount, create_host_path, flag, REPLACE, FULL, "make the source directory when it is missing"),
	UNREAD("selinux", str, REPLACE, IGNORED, NULL, "no SELinux labels are set"),
	NO("recursive", "bind mounts are always recursive"),
	{ 0 },
};
const struct attr mount_volume_attrs[] = {
	ROW(compose_mount, nocopy,  flag, REPLACE, FULL, "do not fill the new volume from the image"),
	ROW(compose_mount, subpath, str,  REPLACE, FULL, "mount only this directory of the volume"),
	{ 0 },
};
const struct attr tmpfs_attrs[] = {
	{ "size", &kind_size, REPLACE, FULL, FIELD(compose_mount, tmpfs_size, size), NULL, "largest size" },
	{ "mode", &kind_int,  REPLACE, FULL, FIELD(compose_mount, tmpfs_mode, int),  NULL, "mode of its root directory" },
	{ 0 },
};
const struct attr mount_attrs[] = {
	UNREAD("type", str, REPLACE, FULL, NULL, "bind, volume or tmpfs"),
	ROW(compose_mount, source,    str,  REPLACE, FULL, "host path, or name of a volume; none: an anonymous one"),
	ROW(compose_mount, target,    str,  REPLACE, FULL, "path in the container"),
	ROW(compose_mount, read_only, flag, REPLACE, FULL, "mount read-only, with all that is mounted below"),
	UNREAD("consistency", str, REPLACE, FULL, NULL, "there is only one consistency on Linux"),
	FLAT("bind",   bind_attrs,         "of bind mounts"),
	FLAT("volume", mount_volume_attrs, "of volumes"),
	FLAT("tmpfs",  tmpfs_attrs,        "of tmpfs mounts"),
	{ 0 },
};

const struct attr depend_attrs[] = {
	UNREAD("condition", str,  REPLACE, FULL, NULL, "service_started, service_healthy or service_completed_successfully"),
	UNREAD("restart",   flag, REPLACE, FULL, NULL, "restart this service when the other one is"),
	UNREAD("required",  flag, REPLACE, FULL, NULL, "false: go on with a warning without it"),
	{ 0 },
};

const struct attr health_attrs[] = {
	ROW(compose_health, test,           test, REPLACE, FULL, "NONE, CMD or CMD-SHELL and the command; a string is CMD-SHELL"),
	ROW(compose_health, interval,       time, REPLACE, FULL, "between probes; 30s"),
	ROW(compose_health, timeout,        time, REPLACE, FULL, "of one probe; 30s"),
	ROW(compose_health, retries,        int,  REPLACE, FULL, "failures in a row that make it unhealthy; 3"),
	ROW(compose_health, start_period,   time, REPLACE, FULL, "failures do not count in it; 0s"),
	ROW(compose_health, start_interval, time, REPLACE, FULL, "between probes in the start period; 5s"),
	ROW(compose_health, disable,        flag, REPLACE, FULL, "no probes, not even the image's"),
	{ 0 },
};

const struct attr ulimit_attrs[] = {
	UNREAD("soft", int, REPLACE, FULL, NULL, "soft limit"),
	UNREAD("hard", int, REPLACE, FULL, NULL, "hard limit"),
	{ 0 },
};

const struct attr env_file_attrs[] = {
	UNREAD("path",     str,  REPLACE, FULL, NULL, "the file"),
	UNREAD("required", flag, REPLACE, FULL, NULL, "false: fine when it is missing"),
	NO("format", "only the .env format is read"),
	{ 0 },
};

static const struct attr service_network_attrs[] = {
	UNREAD("aliases", list, UNIQUE, FULL, NULL, "further names in /etc/hosts"),
	UNREAD("priority", int, REPLACE, FULL, NULL, "there is one interface"),
	NO("ipv4_address", "services of a pod share one network and one address"),
	NO("ipv6_address", "services of a pod share one network and one address"),
	NO("link_local_ips", "services of a pod share one network and one address"),
	NO("mac_address", "services of a pod share one interface"),
	NO("driver_opts", "services of a pod share one interface"),
	NO("gw_priority", "services of a pod share one interface"),
	NO("interface_name", "services of a pod share one interface"),
	{ 0 },
};

#define S compose_service
const struct attr service_attrs[] = {
	SUB(S, annotations,        env,      BY_KEY,  FULL,    NULL, "kept with the container"),
	ROW(S, cap_add,            caps,     UNIQUE,  FULL,    "capabilities added to the default set; ALL: every one but CAP_MKNOD, which is not offered"),
	ROW(S, cap_drop,           caps,     UNIQUE,  FULL,    "capabilities taken away, before cap_add"),
	ROW(S, command,            words,    REPLACE, FULL,    "overrides the image's CMD"),
	ROW(S, container_name,     str,      REPLACE, FULL,    "name of the container; PROJECT-SERVICE-1 without it"),
	ROW(S, cpu_period,         int,      REPLACE, FULL,    "CFS period in microseconds"),
	ROW(S, cpu_quota,          int,      REPLACE, FULL,    "CFS quota in microseconds"),
	ROW(S, cpu_shares,         int,      REPLACE, FULL,    "relative CPU weight, 1024 by default"),
	ROW(S, cpus,               nano,     REPLACE, FULL,    "most processors at a time"),
	ROW(S, cpuset,             text,     REPLACE, FULL,    "which processors, \"0-3,5\""),
	SUB(S, depends_on,         depends,  BY_KEY,  FULL,    depend_attrs, "what must be there before this service starts"),
	ROW(S, dns,                strv,     UNIQUE,  FULL,    "name servers; the host's without it"),
	ROW(S, dns_opt,            list,     UNIQUE,  FULL,    "options of resolv.conf"),
	ROW(S, dns_search,         strv,     UNIQUE,  FULL,    "search domains"),
	ROW(S, domainname,         str,      REPLACE, FULL,    "NIS domain name"),
	ROW(S, entrypoint,         words,    REPLACE, FULL,    "overrides the image's ENTRYPOINT, and drops its CMD"),
	UNREAD("env_file",         envfile,  UNIQUE,  FULL,    env_file_attrs, "files of variables; environment wins over them"),
	ROW(S, environment,        env,      BY_KEY,  FULL,    "variables for the process"),
	ROW(S, expose,             list,     UNIQUE,  FULL,    "documentation only: services of a pod reach each other anyway"),
	ROW(S, extra_hosts,        hosts,    APPEND,  FULL,    "further lines of /etc/hosts; host-gateway is this host"),
	ROW(S, group_add,          list,     APPEND,  FULL,    "supplementary groups, names of the image or numbers"),
	TABLE(S, healthcheck,      health_attrs, "how to tell that the service works"),
	ROW(S, hostname,           str,      REPLACE, FULL,    "host name; the container's name without it"),
	ROW(S, image,              str,      REPLACE, FULL,    "reference of the image to run"),
	ROW(S, init,               flag,     REPLACE, FULL,    "run an init that reaps and forwards signals as PID 1"),
	SUB(S, labels,             env,      BY_KEY,  FULL,    NULL, "kept with the container"),
	ROW(S, mem_limit,          size,     REPLACE, FULL,    "memory limit"),
	ROW(S, mem_reservation,    size,     REPLACE, FULL,    "memory that is not taken from it under pressure"),
	ROW(S, memswap_limit,      size,     REPLACE, FULL,    "memory and swap together; -1: no limit of swap"),
	ROW(S, network_mode,       str,      REPLACE, PARTIAL, "bridge (the pod's network), host or none, the same for all services"),
	SUB(S, networks,           names,    BY_KEY,  PARTIAL, service_network_attrs, "all services of a pod share one network"),
	ROW(S, oom_score_adj,      int,      REPLACE, FULL,    "-1000 to 1000"),
	ROW(S, pids_limit,         int,      REPLACE, FULL,    "most processes at a time; -1: no limit"),
	ROW(S, platform,           str,      REPLACE, FULL,    "OS/ARCH[/VARIANT] of the image"),
	SUB(S, ports,              ports,    UNIQUE,  FULL,    port_attrs, "ports published on the host"),
	ROW(S, profiles,           list,     UNIQUE,  FULL,    "start only when one of these profiles is on"),
	ROW(S, pull_policy,        str,      REPLACE, FULL,    "always, never or missing"),
	ROW(S, read_only,          flag,     REPLACE, FULL,    "mount the root file system read-only"),
	ROW(S, restart,            restart,  REPLACE, FULL,    "no, always, on-failure[:N] or unless-stopped"),
	ROW(S, security_opt,       list,     APPEND,  FULL,    "no-new-privileges, seccomp=unconfined or seccomp=FILE, systempaths=unconfined"),
	ROW(S, shm_size,           size,     REPLACE, FULL,    "size of /dev/shm; 64m"),
	ROW(S, stdin_open,         flag,     REPLACE, FULL,    "keep standard input open"),
	ROW(S, stop_grace_period,  time,     REPLACE, FULL,    "time between the stop signal and SIGKILL; 10s"),
	ROW(S, stop_signal,        signal,   REPLACE, FULL,    "signal that asks the service to end; SIGTERM"),
	SUB(S, sysctls,            env,      BY_KEY,  FULL,    NULL, "kernel parameters of the container's namespaces"),
	ROW(S, tmpfs,              strv,     UNIQUE,  FULL,    "tmpfs mounts, \"/run:size=1m\""),
	ROW(S, tty,                flag,     REPLACE, FULL,    "a terminal for the process"),
	SUB(S, ulimits,            ulimits,  BY_KEY,  FULL,    ulimit_attrs, "resource limits; what the kernel refuses is clamped, with a warning"),
	ROW(S, user,               str,      REPLACE, FULL,    "user[:group] of the process; names are the image's"),
	SUB(S, volumes,            mounts,   UNIQUE,  FULL,    mount_attrs, "bind mounts, volumes and tmpfs mounts"),
	ROW(S, working_dir,        str,      REPLACE, FULL,    "directory the process starts in; made when missing"),

	UNREAD("attach",           flag,     REPLACE, FULL,    NULL, "whether 'up' shows its output"),
	UNREAD("develop",          any,      REPLACE, IGNORED, NULL, "only 'docker compose watch' uses it"),
	NO("blkio_config",         "block device limits are not set yet"),
	NO("build",                "slipway does not build images; push one and name it with image:"),
	NO("cgroup",               "containers always have a cgroup namespace of their own"),
	NO("cgroup_parent",        "the pod's group is chosen by --cgroup-parent"),
	NO("configs",              "mount the file as a volume instead"),
	NO("cpu_count",            "only Windows has it; use cpus"),
	NO("cpu_percent",          "only Windows has it; use cpus"),
	NO("cpu_rt_period",        "real-time scheduling is not offered"),
	NO("cpu_rt_runtime",       "real-time scheduling is not offered"),
	NO("credential_spec",      "only Windows has it"),
	NO("deploy",               "use mem_limit, cpus, pids_limit and restart"),
	NO("device_cgroup_rules",  "devices are not passed into containers yet"),
	NO("devices",              "devices are not passed into containers yet"),
	NO("extends",              "write the attributes out, or use a YAML anchor"),
	NO("external_links",       "there is no engine to find other containers in"),
	NO("gpus",                 "devices are not passed into containers yet"),
	NO("ipc",                  "containers always have an IPC namespace of their own"),
	NO("isolation",            "only Windows has it"),
	NO("label_file",           "use labels"),
	NO("links",                "services of a pod reach each other by name already; use depends_on for the order"),
	NO("logging",              "output is kept in json-file format, rotated"),
	NO("mac_address",          "the services of a pod share one interface"),
	NO("mem_swappiness",       "use memswap_limit"),
	NO("models",               "there is no model runner"),
	NO("oom_kill_disable",     "a container without memory would hang"),
	NO("pid",                  "containers always have a PID namespace of their own"),
	NO("post_start",           "hooks are not run yet"),
	NO("pre_stop",             "hooks are not run yet"),
	NO("privileged",           "name the capabilities you need with cap_add"),
	NO("provider",             "there is no engine that could ask a provider"),
	NO("runtime",              "slipway is the runtime"),
	NO("scale",                "one instance of a service fits into a pod"),
	NO("secrets",              "mount the file as a volume instead"),
	NO("storage_opt",          "no size limits on root file systems yet"),
	NO("use_api_socket",       "there is no engine and no socket"),
	NO("userns_mode",          "user namespaces are not offered yet"),
	NO("uts",                  "containers always have a host name of their own"),
	NO("volumes_from",         "name the volumes in each service"),
	{ 0 },
};
#undef S

const struct attr volume_attrs[] = {
	UNREAD("name",        str,  REPLACE, FULL,    NULL, "name on the host; PROJECT_KEY without it"),
	UNREAD("external",    flag, REPLACE, FULL,    NULL, "must be there already, and is never removed"),
	UNREAD("driver",      str,  REPLACE, PARTIAL, NULL, "only local"),
	{ "labels", &kind_env, BY_KEY, FULL, offsetof(struct compose_volume, labels), NULL, "kept with the volume" },
	NO("driver_opts",     "only plain directories; use a bind mount"),
	{ 0 },
};

const struct attr network_attrs[] = {
	UNREAD("name",        str,  REPLACE, FULL,    NULL, "shown only: a pod has one network"),
	UNREAD("external",    flag, REPLACE, FULL,    NULL, "shown only: a pod has one network"),
	UNREAD("driver",      str,  REPLACE, PARTIAL, NULL, "only bridge, the pod's network"),
	UNREAD("attachable",  flag, REPLACE, FULL,    NULL, "swarm only"),
	UNREAD("labels",      env,  BY_KEY,  FULL,    NULL, "shown only"),
	NO("internal",        "a pod's network is never internal; publish no ports instead"),
	NO("driver_opts",     "a pod's network takes no options"),
	NO("ipam",            "a pod gets its address from the host's lease"),
	NO("enable_ipv4",     "a pod's network is IPv4"),
	NO("enable_ipv6",     "a pod's network is IPv4"),
	{ 0 },
};

/* The whole file: each of these is joined in load.c. */
const struct attr project_attrs[] = {
	UNREAD("name",     str, REPLACE, FULL, NULL, "project name, when neither -p nor COMPOSE_PROJECT_NAME gives one"),
	UNREAD("services", any, BY_KEY,  FULL, NULL, "the containers"),
	UNREAD("volumes",  any, BY_KEY,  FULL, NULL, "named volumes"),
	UNREAD("networks", any, BY_KEY,  FULL, NULL, "networks; all are the pod's one"),
	UNREAD("version",  any, REPLACE, IGNORED, NULL, "obsolete; any value is fine"),
	NO("configs", "mount the file as a volume instead"),
	NO("include", "name the files with -f"),
	NO("models",  "there is no model runner"),
	NO("secrets", "mount the file as a volume instead"),
	{ 0 },
};
/* clang-format on */
