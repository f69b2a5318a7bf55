#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/cli/config.bats - `slipway config`: the options, which are docker compose's, and the errors.
# (What the canonical form is in detail, the unit tests of compose/ say.)

# shellcheck disable=SC2154,SC2209,SC2030,SC2031 # the library and bats set variables; "env" is a name

load ../lib/slipway

# A project with something of everything.
write_shop() {
	compose <<-'END'
		name: shop
		services:
		  web:
		    image: nginx:1
		    ports: ["8080:80"]
		    environment:
		      WHO: ${WHO:-nobody}
		    volumes: ["data:/data"]
		  db:
		    image: redis
		    profiles: [storage]
		  debug:
		    image: busybox
		    profiles: [tools, storage]
		volumes:
		  data:
	END
}

@test "YAML comes out in canonical form" {
	write_shop
	run --separate-stderr slipway config
	assert_success
	[ -z "$stderr" ] || show 'nothing to complain about'
	assert_output "$(cat <<-'END'
		name: shop
		services:
		  web:
		    image: nginx:1
		    ports:
		      - mode: ingress
		        target: 80
		        published: "8080"
		        protocol: tcp
		    environment:
		      WHO: nobody
		    volumes:
		      - type: volume
		        source: data
		        target: /data
		        volume: {}
		    networks:
		      default: null
		networks:
		  default:
		    name: shop_default
		volumes:
		  data:
		    name: shop_data
	END
	)"
}

@test "what comes out goes in again, and comes out the same" {
	write_shop
	slipway config >once.yml
	slipway -f once.yml config >twice.yml
	diff once.yml twice.yml
}

@test "JSON says the same as YAML" {
	write_shop
	run --separate-stderr slipway config --format json
	assert_success
	[ "$(jq -c '[.name, .services.web.image, .services.web.environment.WHO, .services.web.ports[0].target]' <<<"$output")" = \
		'["shop","nginx:1","nobody",80]' ] || show 'not that'
	slipway -f - config <<<"$output" >from-json.yml
	slipway config | diff - from-json.yml
}

@test "--services, --volumes, --images and --profiles list names" {
	write_shop
	run slipway config --services
	assert_output web
	run slipway config --volumes
	assert_output data
	run slipway config --images
	assert_output nginx:1
	run slipway config --profiles
	assert_output "$(printf '%s\n' storage tools)"
}

@test "--profile enables services" {
	write_shop
	[ "$(slipway --profile storage config --services | sort | paste -sd' ')" = 'db debug web' ]
	[ "$(slipway --profile tools config --services | sort | paste -sd' ')" = 'debug web' ]
	[ "$(slipway --profile '*' config --services | sort | paste -sd' ')" = 'db debug web' ]
	[ "$(COMPOSE_PROFILES=tools slipway config --services | sort | paste -sd' ')" = 'debug web' ]
	[ "$(slipway --profile tools --profile storage config --services | sort | paste -sd' ')" = 'db debug web' ]
}

@test "-p names the project, before COMPOSE_PROJECT_NAME, the file and the directory" {
	compose <<-END
		services: {web: {image: i}}
	END
	[ "$(slipway config | head -n 1)" = "name: $project" ]
	{ echo 'name: file'; cat compose.yml; } >named.yml
	[ "$(slipway -f named.yml config | head -n 1)" = 'name: file' ]
	[ "$(COMPOSE_PROJECT_NAME=env slipway -f named.yml config | head -n 1)" = 'name: env' ]
	[ "$(COMPOSE_PROJECT_NAME=env slipway -p option -f named.yml config | head -n 1)" = 'name: option' ]
	run --separate-stderr slipway -p 'No!' config
	assert_failure 1
	assert_one_message "'No!'"
}

@test "of several files the later one wins" {
	write_shop
	cat >more.yml <<-END
		services: {web: {image: nginx:2, environment: {MORE: 1}}}
	END
	run slipway -f compose.yml -f more.yml config --images
	assert_output nginx:2
	[ "$(slipway -f compose.yml -f more.yml config --format json | jq -c .services.web.environment)" = '{"WHO":"nobody","MORE":"1"}' ]
	[ "$(COMPOSE_FILE=compose.yml:more.yml slipway config --images)" = nginx:2 ]
}

@test "-f - reads standard input" {
	run --separate-stderr slipway -f - config --images <<<'services: {web: {image: from-stdin}}'
	assert_success
	assert_output from-stdin
}

@test "the file is looked for upwards, with its override" {
	write_shop
	echo 'services: {web: {image: overridden}}' >compose.override.yml
	mkdir -p a/b
	cd a/b
	run slipway config --images
	assert_output overridden
}

@test "--project-directory is where relative paths start" {
	mkdir elsewhere
	compose <<-END
		services: {web: {image: i, volumes: ["./html:/html"]}}
	END
	[ "$(slipway --project-directory elsewhere -f compose.yml config --format json | jq -r '.services.web.volumes[0].source')" = \
		"$PWD/elsewhere/html" ]
}

@test ".env is read, --env-file instead of it, and the environment wins" {
	write_shop
	echo WHO=dotenv >.env
	echo WHO=other >other.env
	who() { "$@" config --format json | jq -r .services.web.environment.WHO; }
	[ "$(who slipway)" = dotenv ]
	[ "$(who slipway --env-file other.env)" = other ]
	[ "$(WHO=me who slipway --env-file other.env)" = me ]
	run --separate-stderr slipway --env-file none.env config
	assert_failure 1
	assert_one_message none.env
}

@test "a variable that is not set is warned of, and empty" {
	compose <<-'END'
		services: {web: {image: "i$NOT_SET"}}
	END
	run --separate-stderr slipway config --images
	assert_success
	assert_output i
	[[ $stderr == *NOT_SET* ]] || show 'no warning'
}

@test "-q prints nothing, and tells by its exit code" {
	write_shop
	run slipway config -q
	assert_success
	assert_output ''
	echo 'services: 1' >compose.yml
	run slipway config -q
	assert_failure 1
}

@test "-o writes a file" {
	write_shop
	run slipway config -o out.yml
	assert_success
	assert_output ''
	slipway config | diff - out.yml
	run --separate-stderr slipway config -o no/such/directory
	assert_failure 1
	assert_one_message no/such/directory
}

@test "services can be chosen" {
	compose <<-END
		services: {a: {image: i, depends_on: [b]}, b: {image: j}, c: {image: k}}
	END
	[ "$(slipway config --services a | sort | paste -sd' ')" = 'a b' ]
	run --separate-stderr slipway config nobody
	assert_failure 1
	assert_one_message nobody
}

# ---- errors: where it is, in one line ----

# fails_with TEXT...: the whole of standard error, without the program's name and the directory.
fails_with() {
	run --separate-stderr slipway "${command:-config}"
	assert_failure 1
	[ -z "$output" ] || show 'nothing belongs on standard output'
	local got=${stderr#slipway: }
	got=${got//"$PWD/"/}
	[ "$got" = "$1" ] || show "wanted: $1"
}

@test "no file at all" {
	cd /
	run --separate-stderr slipway config
	assert_failure 1
	assert_one_message 'no compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml in / or above'
}

@test "a file that is not there" {
	run --separate-stderr slipway -f missing.yml config
	assert_failure 1
	assert_one_message missing.yml
	[[ $stderr == *'No such file or directory'* ]] || show 'no reason'
}

@test "not YAML" {
	printf 'services:\n  web: [\n' >compose.yml
	run --separate-stderr slipway config
	assert_failure 1
	assert_one_message 'compose.yml:3:1: invalid YAML: '
}

@test "YAML, but not a project" {
	echo '- a list' >compose.yml
	fails_with "compose.yml:1:1: a Compose file is a mapping with 'services'"
}

@test "an empty file" {
	: >compose.yml
	fails_with 'compose.yml: the file is empty'
}

@test "an unknown attribute, with the one that was meant" {
	compose <<-END
		services:
		  web:
		    imagee: nginx
	END
	fails_with "compose.yml:3:13: services.web.imagee: unknown attribute 'imagee'; did you mean 'image'?"
}

@test "what a pod cannot honour is shown by config, and refused with the reason by check" {
	compose <<-END
		services:
		  web:
		    image: nginx
		    privileged: true
	END
	run --separate-stderr slipway config -q
	assert_success
	command=check fails_with 'compose.yml:4:17: services.web.privileged: not supported: name the capabilities you need with cap_add'
}

@test "a key that is given twice" {
	compose <<-END
		services:
		  web: {image: a}
		  web: {image: b}
	END
	fails_with "compose.yml:3:3: the key 'web' is given twice; first in line 2"
}

@test "a service without an image" {
	compose <<-END
		services:
		  web:
		    tty: true
	END
	fails_with 'compose.yml:2:3: services.web: the image is missing'
}

@test "services that wait for each other" {
	compose <<-END
		services:
		  a: {image: i, depends_on: [b]}
		  b: {image: i, depends_on: [a]}
	END
	run --separate-stderr slipway config
	assert_failure 1
	assert_one_message 'the dependencies go in a circle: a -> b -> a'
}

@test "several errors are several lines" {
	compose <<-END
		services:
		  a: {image: i, bogus: 1}
		  b: {image: i, humbug: 1}
	END
	run --separate-stderr slipway config
	assert_failure 1
	[[ $stderr == *bogus*$'\n'*humbug* ]] || show 'not both'
}

@test "of two services with one container name both are named" {
	printf 'services:\n  a: {image: i, container_name: dup}\n  b: {image: i, container_name: dup}\n' >compose.yml
	run --separate-stderr slipway config
	assert_failure 1
	assert_one_message "compose.yml:3:33: services.b.container_name: 'dup' is also the name of service a"
}

@test "an alias bomb is defused at once" {
	{
		echo 'x-0: &a0 [x, x, x, x, x, x, x, x, x]'
		for i in 1 2 3 4 5 6 7 8 9; do
			b="*a$((i - 1))"
			echo "x-$i: &a$i [$b, $b, $b, $b, $b, $b, $b, $b, $b]"
		done
		echo 'services: {web: {image: i}}'
	} >compose.yml
	run --separate-stderr timeout 5 slipway config -q
	assert_failure 1
	assert_one_message 'anchors and aliases hold more than'
}

@test "a file of a gigabyte is not read" {
	truncate -s 1G compose.yml
	run --separate-stderr timeout 5 slipway config -q
	assert_failure 1
	assert_one_message compose.yml
}

@test "config --no-interpolate: what makes no sense without values of variables stays as it is" {
	cat >compose.yml <<-'END'
		services:
		  web:
		    image: "nginx:${TAG:-1}"
		    env_file: web.env
		    ports: ["${PORT}:80"]
		    volumes: ["${PLACE}:/place", "data:/data"]
		    mem_limit: "${MEMORY}"
		    deploy: {resources: {limits: {cpus: "${CPUS:-1}"}}}
		volumes: {data: {}}
		configs: {unused: {content: "${X:?must be set}"}}
	END
	run --separate-stderr slipway config --no-interpolate --format json
	[ "$status" = 0 ] && [ -z "$stderr" ]
	[ "$(jq -r '.services.web | .image, .ports[0], .mem_limit, .deploy.resources.limits.cpus, .env_file[0].path, .environment' <<<"$output" |
		paste -sd' ')" = "nginx:\${TAG:-1} \${PORT}:80 \${MEMORY} \${CPUS:-1} $PWD/web.env null" ]
	[ "$(jq -r '.configs.unused.content, .volumes.data.name' <<<"$output" | paste -sd' ')" = "\${X:?must be set} $(basename "$PWD")_data" ]
	sed -i 's/{MEMORY}/{MEMORY}", cpu_shares: "many/' compose.yml
	run slipway config --no-interpolate
	[ "$status" != 0 ]
	[[ $output == *"services.web.cpu_shares"* || $output == *"compose.yml:7"* ]]
}

@test "config --variables as a table, as JSON and as YAML" {
	cat >compose.yml <<-'END'
		services: {a: {image: "${IMG:-busybox}", command: ["${REQ:?must}", "${ALT:+alt}"]}}
	END
	[ "$(slipway config --variables | sort | tr -s ' ' | sed 's/ $//' | paste -sd' ')" = \
		'ALT false alt IMG false busybox NAME REQUIRED DEFAULT VALUE ALTERNATE VALUE REQ true' ]
	[ "$(slipway config --variables --format json | jq -c .)" = '{"ALT":{"Name":"ALT","DefaultValue":"","PresenceValue":"alt","Required":false},"IMG":{"Name":"IMG","DefaultValue":"busybox","PresenceValue":"","Required":false},"REQ":{"Name":"REQ","DefaultValue":"","PresenceValue":"","Required":true}}' ]
	[ "$(slipway config --variables --format yaml | head -5 | tr -s ' ' | paste -sd'|')" = \
		'ALT:| name: ALT| defaultvalue: ""| presencevalue: alt| required: false' ]
}
