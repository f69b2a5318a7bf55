/* SPDX-License-Identifier: Apache-2.0 */
/* pod/info.c - this host, in the words of 'docker info': kernel, groups, pods, images, settings. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { OS_RELEASE_MAX = 64 << 10 };

/* PRETTY_NAME of os-release(5). */
static char *operating_system(void)
{
	static const char key[] = "PRETTY_NAME=";
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, "/etc/os-release", OS_RELEASE_MAX, &text);
	auto_strv char **lines = e ? NULL : str_split(text, "\n");

	for (char **l = lines; l && *l; l++)
		if (str_starts(*l, key)) {
			const char *value = *l + strlen(key) + ((*l)[strlen(key)] == '"');

			return mem_strndup(value, strcspn(value, "\""));
		}
	return mem_strdup("unknown");
}

static void add_host(const struct pod_host *h, json_t *j)
{
	auto_cgroupfs_host struct cgroupfs_host *groups = NULL;
	auto_err struct err *e = cgroupfs_open(&groups);
	auto_free char *system = operating_system();
	struct utsname u = { 0 };
	struct sysinfo s = { 0 };

	(void)uname(&u);
	(void)sysinfo(&s);
	json_put_str(j, "Name", u.nodename);
	json_put_str(j, "OperatingSystem", system);
	json_put_str(j, "OSType", "linux");
	json_put_str(j, "KernelVersion", u.release);
	json_put_str(j, "Architecture", u.machine);
	json_put_int(j, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	json_put_int(j, "MemTotal", (int64_t)s.totalram * s.mem_unit);
	json_put_str(j, "CgroupDriver", "cgroupfs");
	json_put_str(j, "CgroupVersion", !e && cgroupfs_layout(groups) == CGROUPFS_V2 ? "2" : "1");
	json_put_str(j, "CgroupLayout", e ? "none" : cgroupfs_layout_name(cgroupfs_layout(groups)));
	json_put_str(j, "Driver", "overlay");
	json_put_str(j, "LoggingDriver", pod_config_get(h->config, POD_SETTING_LOG_DRIVER));
	json_put_str(j, "DockerRootDir", h->root);
}

static struct err *add_pods(const struct pod_host *h, json_t *j)
{
	static const char *const running[] = { "running", "starting", "restarting", NULL };
	struct pod_state **pods = NULL;
	int64_t alive = 0, all = 0, up = 0, paused = 0;
	size_t n = 0;

	TRY(pod_state_list(h, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		alive += pods[i]->alive;
		for (size_t k = 0; k < pods[i]->n_services; k++) {
			const char *state = pods[i]->services[k].state;

			all++;
			up += str_one_of(state, running);
			paused += strcmp(state, "paused") == 0;
		}
		pod_state_free(pods[i]);
	}
	free(pods);
	json_put_int(j, "Pods", (int64_t)n);
	json_put_int(j, "PodsRunning", alive);
	json_put_int(j, "Containers", all);
	json_put_int(j, "ContainersRunning", up);
	json_put_int(j, "ContainersPaused", paused);
	json_put_int(j, "ContainersStopped", all - up - paused);
	return NULL;
}

static struct err *add_images(const struct pod_host *h, json_t *j)
{
	auto_image_store struct image_store *store = NULL;
	struct image **images = NULL;
	size_t n = 0;

	TRY(image_store_open(h->root, &store));
	TRY(image_list(store, &images, &n));
	for (size_t i = 0; i < n; i++)
		image_free(images[i]);
	free(images);
	json_put_int(j, "Images", (int64_t)n);
	return NULL;
}

static void add_settings(const struct pod_host *h, json_t *j)
{
	json_t *settings = json_object();

	for (size_t i = 0; i < POD_SETTINGS; i++) {
		json_t *one = json_object();

		json_put_str(one, "Value", pod_config_get(h->config, i));
		json_put_str(one, "Source", pod_config_source(h->config, i));
		json_put_str(one, "Default", pod_settings[i].fallback);
		json_put_str(one, "Variable", pod_settings[i].variable);
		json_put_str(one, "Help", pod_settings[i].help);
		json_object_set_new(settings, pod_settings[i].name, one);
	}
	json_object_set_new(j, "Settings", settings);
}

struct err *pod_info(const struct pod_host *h, json_t **ret)
{
	auto_json json_t *j = json_object();

	TRY(add_pods(h, j));
	TRY(add_images(h, j));
	add_host(h, j);
	add_settings(h, j);
	*ret = steal(&j);
	return NULL;
}
