/* rule_files: from paths to documents.
 *
 * A folder is what Kubernetes mounts of a ConfigMap as well: names that begin
 * with a dot are its own (..data), the rest are links to files. Files are taken
 * in the order of their names, so what a rule set is does not depend on the
 * order in which a file system lists them. */
#include "rules/documents/rule_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/yaml_read.h"

struct reading {
	struct weir_arena *arena;
	struct weir_documents *documents;
	struct weir_ruleset_error *error;
	uint32_t files;
};

static int wrong(struct reading *reading, const char *path, const char *why)
{
	snprintf(reading->error->where, sizeof(reading->error->where), "%s", path);
	snprintf(reading->error->why, sizeof(reading->error->why), "%s", why);
	return WEIR_RULESET_WRONG;
}

static int file_read(struct reading *reading, const char *path)
{
	struct weir_str kept = { NULL, 0 }, name = { NULL, 0 };
	struct weir_buf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = fd < 0 ? -errno : 0;

	if (reading->files++ == WEIR_RULE_FILES_MAX) {
		r = r != 0 ? r : -EMFILE;
	}
	weir_buf_init(&text, 0);
	r = r != 0 ? r : weir_file_read(fd, WEIR_RULE_FILE_MAX_BYTES, &text);
	if (fd >= 0) {
		close(fd);
	}
	if (r == -EFBIG) {
		r = wrong(reading, path, "larger than 4 MiB");
	} else if (r == 0) {
		kept = weir_arena_copy(reading->arena, weir_buf_str(&text));
		name = weir_arena_copy(reading->arena, weir_str_of(path));
		r = kept.data == NULL || name.data == NULL ? -ENOMEM : 0;
	} else if (r == -EMFILE && reading->files > WEIR_RULE_FILES_MAX) {
		r = wrong(reading, path, "more than 256 files of rules");
	} else if (r != -ENOMEM) {
		r = wrong(reading, path, strerror(-r));
	}
	weir_buf_fini(&text);
	return r != 0 ? r : weir_documents_read(reading->documents, reading->arena, name.data, kept, reading->error);
}

static int is_rules(const struct dirent *entry)
{
	struct weir_str name = weir_str_of(entry->d_name);

	return name.data[0] != '.' && (weir_str_ends_with(name, ".yaml") || weir_str_ends_with(name, ".yml") ||
					      weir_str_ends_with(name, ".json"));
}

static int folder_read(struct reading *reading, const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_rules, alphasort), r = count < 0 ? -errno : 0;

	if (r == -ENOMEM) {
		return r;
	}
	if (r != 0) {
		return wrong(reading, path, strerror(-r));
	}
	for (int i = 0; i < count; i++) {
		char file[4096];
		int length = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);

		if (r == 0 && (length < 0 || (size_t)length >= sizeof(file))) {
			r = wrong(reading, path, "a path too long");
		}
		r = r != 0 ? r : file_read(reading, file);
	}
	for (int i = 0; i < count; i++) {
		free(entries[i]);
	}
	free(entries);
	return r != 0 || count > 0 ? r : wrong(reading, path, "no *.yaml, *.yml or *.json in this folder");
}

int weir_rule_files_read(const char *const *paths, size_t path_count, struct weir_arena *arena,
	struct weir_documents *documents, struct weir_ruleset_error *ret_error)
{
	struct reading reading = { .arena = arena, .documents = documents, .error = ret_error };
	int r = 0;

	for (size_t i = 0; i < path_count && r == 0; i++) {
		struct stat stat_;

		if (strcmp(paths[i], "builtin") == 0) {
			r = weir_documents_read(documents, arena, "builtin",
				weir_str_make(weir_standard_yaml, weir_standard_yaml_length), ret_error);
		} else if (stat(paths[i], &stat_) == 0 && S_ISDIR(stat_.st_mode)) {
			r = folder_read(&reading, paths[i]);
		} else {
			r = file_read(&reading, paths[i]);
		}
	}
	return r;
}

bool weir_ruleset_is_file_of_rules(const char *path)
{
	struct weir_yaml_event event = { .kind = WEIR_YAML_END };
	struct weir_yaml *yaml = NULL;
	struct weir_buf text;
	struct stat stat_;
	unsigned depth = 0;
	bool is_rules_ = false, is_key = true;
	int fd, r;

	if (stat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode)) {
		return true;
	}
	weir_buf_init(&text, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	r = fd < 0 ? -errno : weir_file_read(fd, WEIR_RULE_FILE_MAX_BYTES, &text);
	r = r == -EFBIG ? 0 : r; /* its beginning says what it is */
	r = r != 0 ? r : weir_yaml_open_all(weir_buf_str(&text), &yaml);
	while (r == 0 && !is_rules_ && (r = weir_yaml_next(yaml, &event)) == 0 && event.kind != WEIR_YAML_END) {
		if (event.kind == WEIR_YAML_DOCUMENT) {
			continue;
		}
		if (event.kind == WEIR_YAML_LIST && depth == 0) {
			break;
		}
		/* Keys and values of the outermost map take turns; what is deeper counts as one value. */
		if (event.kind == WEIR_YAML_TEXT && depth == 1) {
			is_rules_ =
				is_key && (weir_str_is(event.text, "kind") || weir_str_is(event.text, "apiVersion"));
			is_key = !is_key;
		}
		if (event.kind == WEIR_YAML_CLOSE) {
			depth--;
			is_key = is_key || depth == 1;
		} else if (event.kind != WEIR_YAML_TEXT) {
			depth++;
		}
		if (depth == 0 && !(event.kind == WEIR_YAML_TEXT && event.is_null)) {
			break; /* the first document that says something is over */
		}
	}
	weir_yaml_close(yaml);
	weir_buf_fini(&text);
	if (fd >= 0) {
		close(fd);
	}
	return is_rules_;
}
