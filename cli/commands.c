/* SPDX-License-Identifier: Apache-2.0 */
/* cli/commands.c - the table of commands and of global options; help and completion come from it. */
#include <stddef.h>

#include "cli/cli.h"

const struct opt no_options[] = { { 0 } };

#define G(f) offsetof(struct cli, f)
const struct opt global_options[] = {
	{ 'f', "file", OPT_TEXTS, "FILE", G(files),
	  "Compose file; several are merged; - is standard input" },
	{ 'p', "project-name", OPT_TEXT, "NAME", G(name), "name of the pod" },
	{ 0, "profile", OPT_TEXTS, "NAME", G(profiles), "turn a profile on" },
	{ 0, "env-file", OPT_TEXTS, "FILE", G(env_files), "variables, instead of .env" },
	{ 0, "project-directory", OPT_TEXT, "DIR", G(project_dir),
	  "what relative paths are relative to" },
	{ 0, "all-resources", OPT_FLAG, NULL, G(all_resources),
	  "also networks, volumes and others that no service uses" },
	{ 0, "progress", OPT_TEXT, "MODE", G(progress),
	  "what is told of what goes on: auto, tty, plain or quiet" },
	{ 0, "ansi", OPT_TEXT, "WHEN", G(ansi), "colours: never, always or auto" },
	{ 0, "log-level", OPT_TEXT, "LEVEL", G(log_level), "debug, info, warning or error" },
	{ 0, "log-format", OPT_TEXT, "FORMAT", G(log_format), "text, keys or json" },
	{ 0, "set", OPT_TEXTS, "KEY=VALUE", G(set),
	  "a setting of this host; 'slipway info' lists them" },
	{ 0, "debug", OPT_FLAG, NULL, G(debug), "tell what is done" },
	{ 0 },
};

/* clang-format off */
const struct command commands[] = {
	{ "up",      "[SERVICE...]",            "create and start the pod",                      up_options,      false, cmd_up },
	{ "down",    "[SERVICE...]",            "stop the pod, or services of it, and remove what they left",          down_options,    false, cmd_down },
	{ "ps",      "[SERVICE...]",            "list the pod's containers",                     ps_options,      false, cmd_ps },
	{ "logs",    "[SERVICE...]",            "show output",                                   logs_options,    false, cmd_logs },
	{ "exec",    "SERVICE COMMAND [ARG...]", "run a command in a running container",         exec_options,    true,  cmd_exec },
	{ "run",     "SERVICE|IMAGE [COMMAND [ARG...]]", "run one more container of a service, or one from an image", compose_run_options, true, cmd_run },
	{ "create",  "[SERVICE...]",            "pull the images and note the pod; 'start' starts it", create_options, false, cmd_create },
	{ "rm",      "[SERVICE|CONTAINER...]",  "remove what has stopped",                       rm_options,      false, cmd_rm },
	{ "attach",  "SERVICE",                 "see and hear a running service, and speak to it", attach_options, false, cmd_attach },
	{ "stop",    "[SERVICE...]",            "stop services, gracefully",                     stop_options,    false, cmd_stop },
	{ "start",   "[SERVICE...]",            "start stopped services, or a pod that has ended",       no_options,      false, cmd_start },
	{ "restart", "[SERVICE...]",            "stop and start services of a running pod",      restart_options,    false, cmd_restart },
	{ "kill",    "[SERVICE...]",            "send a signal, SIGKILL if none is named",       kill_options,    false, cmd_kill },
	{ "pause",   "[SERVICE...]",            "freeze services",                               no_options,      false, cmd_pause },
	{ "unpause", "[SERVICE...]",            "let frozen services go on",                     no_options,      false, cmd_unpause },
	{ "top",     "[SERVICE...]",            "list the processes of services",                no_options,      false, cmd_top },
	{ "stats",   "[SERVICE...]",            "show what services use, again and again",       stats_options,   false, cmd_stats },
	{ "events",  "[SERVICE...]",            "tell what happens to services, as it happens",  events_options,  false, cmd_events },
	{ "wait",    "[SERVICE...]",            "wait until services have ended",                wait_options,    false, cmd_wait },
	{ "port",    "SERVICE PORT",            "print where a port is published",               port_options,    false, cmd_port },
	{ "scale",   "SERVICE=N...",            "run so many instances of a service",            scale_options,   false, cmd_scale },
	{ "ports",   "[SERVICE...]",            "list published ports of all pods, also for HAProxy", ports_options, false, cmd_ports },
	{ "inspect", "[SERVICE...]",            "print all that is known of services, as JSON",  inspect_options, false, cmd_inspect },
	{ "cp",      "FROM TO",                 "copy files; one of both is SERVICE:PATH, the other may be - for a tar", cp_options,      false, cmd_cp },
	{ "config",  "[SERVICE...]",            "check the files and print the merged project",  config_options,  false, cmd_config },
	{ "convert", "marathon FILE",           "print a Marathon app definition as a Compose file", no_options,   false, cmd_convert },
	{ "plan",    "[SERVICE...]",            "print the steps that 'up' would take",          plan_options,    false, cmd_plan },
	{ "pull",    "[SERVICE...]",            "pull the images",                               pull_options,    false, cmd_pull },
	{ "images",  "[SERVICE...]",            "list the images of this host, or of the project's containers", images_options,  false, cmd_images },
	{ "volumes", "[SERVICE...]",            "list the project's volumes",                    volumes_options, false, cmd_volumes },
	{ "rmi",     "IMAGE...",                "remove images",                                 no_options,      false, cmd_rmi },
	{ "ls",      "",                        "list pods",                                     ls_options,      false, cmd_ls },
	{ "resume",  "[POD...]",                "start the pods that ran when the host went down", resume_options,  false, cmd_resume },
	{ "suspend", "[POD...]",                "stop pods that are to come back by 'resume'",   no_options,      false, cmd_suspend },
	{ "gc",      "",                        "remove what no pod and no image needs",         gc_options,      false, cmd_gc },
	{ "check",   "[SERVICE...]",            "tell what a pod cannot honour, or --leaks",     check_options,   false, cmd_check },
	{ "doctor",  "",                        "tell what this host lacks, and what follows",   doctor_options,  false, cmd_doctor },
	{ "info",    "",                        "tell the settings and where they are from, and what this host has", info_options, false, cmd_info },
	{ "completion", "bash|zsh|fish",        "print what a shell needs to complete commands", no_options,      false, cmd_completion },
	{ "help",    "[COMMAND]",               "tell how slipway or a command is used",         no_options,      false, cmd_help },
	{ "version", "",                        "tell the version",                              version_options, false, cmd_version },
	{ 0 },
};
/* clang-format on */
