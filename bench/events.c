/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/events.c - reads a file with libyaml's event parser and does nothing with it.
 *
 *	events FILE
 *
 * What a YAML reader costs before anybody looks at what it says.
 */
#include <stdio.h>
#include <yaml.h>

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	yaml_parser_t parser;
	yaml_event_t event;
	yaml_event_type_t type = YAML_NO_EVENT;

	if (!in || !yaml_parser_initialize(&parser))
		return 2;
	yaml_parser_set_input_file(&parser, in);
	while (type != YAML_STREAM_END_EVENT) {
		if (!yaml_parser_parse(&parser, &event))
			return 1;
		type = event.type;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	fclose(in);
	return 0;
}
