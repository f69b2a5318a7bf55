/* SPDX-License-Identifier: Apache-2.0 */
/* pod/plan.h - a pod before it runs: its services resolved against their images, and the steps to it. */
#pragma once

#include "cgroupfs/cgroupfs.h"
#include "netns/netns.h"
#include "pod/pod.h"
#include "runtime/runtime.h"

enum pod_network { POD_NETWORK_POD, POD_NETWORK_HOST, POD_NETWORK_NONE, POD_NETWORK_JOIN };

struct plan_health {
	char **test; /* argv; NULL: none */
	int64_t interval, timeout, start_period, start_interval, retries;
};

/* Where output goes. */
enum log_kind { LOG_TO_FILES, LOG_TO_JOURNAL, LOG_TO_NOWHERE };
struct plan_log {
	const char *driver; /* docker's name for it */
	enum log_kind kind;
	int64_t size_max; /* bytes of one file; 0: no limit */
	int64_t files;	  /* with the one that is written */
	int64_t buffer;	  /* bytes that may wait for the journal */
	char *tag;	  /* NULL: none */
	char *attrs;	  /* JSON of each line, with a comma at its end; NULL: none */
	char **fields;	  /* of each message to the journal, "NAME=value" */
};

/* One service, resolved against its image. */
struct plan_container {
	const struct compose_service *service;
	const struct image *image;
	int64_t number; /* which of the service's instances, from 1 */
	char *key;  /* unique in the pod: SERVICE, and SERVICE@2 and so on for further instances */
	char *name; /* PROJECT-SERVICE-NUMBER */
	char *hash; /* of what the service and its image are */
	char **argv, **env, **labels, **groups;
	enum pod_network network;
	char **peers; /* further names of the pod in its hosts file */
	char *user, *cwd, *hostname;
	uint64_t caps;
	bool no_new_privs, system_paths;
	char *seccomp; /* NULL: Docker's; "unconfined"; else a profile's absolute path */
	int stop_signal;
	int64_t grace; /* milliseconds */
	struct plan_health health;
	enum { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE } restart;
	int64_t restart_max; /* 0: no limit */
	struct cgroupfs_limits limits;
	struct plan_device *devices;
	size_t n_devices;
	struct cgroupfs_device *device_rules;
	size_t n_device_rules;
	struct runtime_rlimit *rlimits;
	size_t n_rlimits;
	struct plan_mount *mounts;
	size_t n_mounts;
	struct plan_log log;
};

struct plan_device {
	const char *source, *target; /* borrowed from the service; the source may be a directory */
	unsigned access;	     /* CGROUPFS_DEVICE_... */
};

struct plan_mount {
	enum compose_mount_type type;
	char *source; /* bind: host path; volume: name on the host */
	char *target;
	char **options; /* tmpfs: of the file system */
	uint64_t attributes, propagation;
	bool create_source, copy_up, external;
	bool given;	  /* a file of ours, made when the container is */
	const char *text; /* what is in it; NULL: what is in @source */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	char **labels; /* of the volume */
	const char *subpath;
};

enum step_kind {
	STEP_VOLUME,
	STEP_LEASE,
	STEP_PUBLISH,
	STEP_CGROUP,
	STEP_PAUSE,
	STEP_NETWORK,
	STEP_CREATE,
	STEP_WAIT,
	STEP_START
};

struct pod_step {
	enum step_kind kind;
	size_t container; /* of CREATE, WAIT and START */
	size_t on;	  /* WAIT: the container that is waited for */
	enum compose_condition condition;
	bool required;
	const char *volume; /* VOLUME: name; borrowed from a plan_mount */
	char *const *labels;
	bool external;
	const struct compose_place *place;
	size_t *after; /* steps that come first */
	size_t n_after;
};

struct pod_plan {
	const struct compose_project *project;
	const char *name;
	enum pod_network network;
	const char *join;		   /* JOIN: the pod whose network it is */
	struct plan_container *containers; /* in file order */
	size_t n_containers;
	struct netns_port *ports; /* not yet chosen */
	struct {
		size_t container;
		const struct compose_port *port;
	} * port_owners; /* parallel to ports */
	size_t n_ports;
	struct pod_step *steps;
	size_t n_steps;
};
