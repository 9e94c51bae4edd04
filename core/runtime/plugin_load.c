/* Loading a plugin from a file. Its ABI note is read and checked before dlopen(): opening a file
 * runs its constructors. The reader is bounded: every offset is checked against the file. */
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

#include <dlfcn.h>
#include <elf.h>

#define FILE_LIMIT ((size_t)256 << 20)
#define NOTE_SECTION ".note.operon.abi"
#define NOTE_NAME "operon"
#define NOTE_TYPE 1u

struct abi {
    uint32_t major, minor;
};

/* n bytes at an offset, or NULL where the file ends before. */
static const void *at(struct opr_str file, uint64_t offset, uint64_t n)
{
    if (offset > file.len || n > file.len - offset) {
        return NULL;
    }
    return file.ptr + offset;
}

static opr_status refuse(struct opr_error *reterr, const char *path, const char *why)
{
    return opr_error_set(reterr, OPR_E_INVALID, "%s: %s", path, why);
}

static opr_status read_header(struct opr_str file, const char *path, Elf64_Ehdr *ret_header,
                              struct opr_error *reterr)
{
    const void *p = at(file, 0, sizeof *ret_header);
    if (!p || memcmp(p, ELFMAG, SELFMAG) != 0) {
        return refuse(reterr, path, "not an ELF file");
    }
    memcpy(ret_header, p, sizeof *ret_header);
    if (ret_header->e_ident[EI_CLASS] != ELFCLASS64 ||
        ret_header->e_ident[EI_DATA] != ELFDATA2LSB || ret_header->e_type != ET_DYN ||
        ret_header->e_shentsize != sizeof(Elf64_Shdr)) {
        return refuse(reterr, path, "not a shared object for this machine");
    }
    return OPR_OK;
}

static bool read_section(struct opr_str file, const Elf64_Ehdr *header, uint64_t i,
                         Elf64_Shdr *ret_section)
{
    if (i >= header->e_shnum || header->e_shoff > file.len) {
        return false;
    }
    const void *p = at(file, header->e_shoff + i * sizeof *ret_section, sizeof *ret_section);
    if (!p) {
        return false;
    }
    memcpy(ret_section, p, sizeof *ret_section);
    return true;
}

static bool is_named(struct opr_str file, const Elf64_Shdr *names, const Elf64_Shdr *section)
{
    const char *table = at(file, names->sh_offset, names->sh_size);
    if (!table || section->sh_name >= names->sh_size) {
        return false;
    }
    size_t room = names->sh_size - section->sh_name;
    return room >= sizeof NOTE_SECTION &&
           memcmp(table + section->sh_name, NOTE_SECTION, sizeof NOTE_SECTION) == 0;
}

/* The notes of a section follow one another; ours is the only one in its own. */
static bool read_note(struct opr_str file, const Elf64_Shdr *section, struct abi *ret_abi)
{
    Elf64_Nhdr note;
    const char *p = at(file, section->sh_offset, section->sh_size);
    size_t name_room = 8; /* "operon" and its end, padded to four bytes */
    if (!p || section->sh_type == SHT_NOBITS ||
        section->sh_size < sizeof note + name_room + sizeof *ret_abi) {
        return false;
    }
    memcpy(&note, p, sizeof note);
    if (note.n_namesz != sizeof NOTE_NAME || note.n_descsz != sizeof *ret_abi ||
        note.n_type != NOTE_TYPE || memcmp(p + sizeof note, NOTE_NAME, sizeof NOTE_NAME) != 0) {
        return false;
    }
    memcpy(ret_abi, p + sizeof note + name_room, sizeof *ret_abi);
    return true;
}

static opr_status find_abi(struct opr_str file, const char *path, struct abi *ret_abi,
                           struct opr_error *reterr)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    OPR_TRY(read_header(file, path, &header, reterr));
    if (!read_section(file, &header, header.e_shstrndx, &names)) {
        return refuse(reterr, path, "its section table is damaged");
    }
    for (uint64_t i = 0; i < header.e_shnum; i++) {
        if (!read_section(file, &header, i, &section)) {
            return refuse(reterr, path, "its section table is damaged");
        }
        if (is_named(file, &names, &section)) {
            return read_note(file, &section, ret_abi)
                       ? OPR_OK
                       : refuse(reterr, path, "its ABI note is damaged");
        }
    }
    return refuse(reterr, path, "no plugin: it has no ABI note (OPR_PLUGIN_ENTRY makes one)");
}

static opr_status check_file(const char *path, struct opr_error *reterr)
{
    struct opr_buf file = {0};
    struct abi abi = {0};
    OPR_TRY(opr_fs_read(path, FILE_LIMIT, &file, reterr));
    opr_status st = find_abi(opr_buf_str(&file), path, &abi, reterr);
    opr_buf_fini(&file);
    OPR_TRY(st);
    if (abi.major != OPR_ABI_MAJOR || abi.minor > OPR_ABI_MINOR) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "%s: built for plugin ABI %u.%u, this host has %u.%u; build it "
                             "against this host's headers",
                             path, abi.major, abi.minor, OPR_ABI_MAJOR, OPR_ABI_MINOR);
    }
    return OPR_OK;
}

void opr__plugin_close(void *handle)
{
    if (handle) {
        dlclose(handle);
    }
}

opr_status opr_manager_load(struct opr_manager *m, const char *path, const char *config_json,
                            struct opr_error *reterr)
{
    OPR_TRY(check_file(path, reterr));
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s: %s", path, dlerror());
    }
    void *symbol = dlsym(handle, "opr_plugin_entry");
    if (!symbol) {
        opr__plugin_close(handle);
        return refuse(reterr, path, "it does not export opr_plugin_entry()");
    }
    opr_plugin_entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function pointer */
    return opr__plugin_add(m, entry, handle, config_json, path, reterr);
}
