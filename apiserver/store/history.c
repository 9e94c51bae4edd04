#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#define BYTES_MAX (16u * 1024 * 1024)
#define COUNT_MIN 256 /* so many stay, however large */

void opr__history_init(struct opr__history *h, size_t size, uint64_t forgotten_rv)
{
    *h = (struct opr__history){.size = size, .forgotten_rv = forgotten_rv};
    h->ring = opr_xalloc(size * sizeof *h->ring);
}

static void drop(struct opr__event *e)
{
    opr_json_unref(e->obj);
    opr_json_unref(e->was);
    opr_free(e->key);
    *e = (struct opr__event){0};
}

void opr__history_fini(struct opr__history *h)
{
    for (size_t i = 0; i < h->size; i++) {
        drop(&h->ring[i]);
    }
    opr_free(h->ring);
    *h = (struct opr__history){0};
}

static void drop_oldest(struct opr__history *h)
{
    struct opr__event *oldest = &h->ring[h->first];
    h->forgotten_rv = oldest->rv;
    h->bytes -= opr_json_size_bytes(oldest->obj);
    drop(oldest);
    h->first = (h->first + 1) % h->size;
    h->count--;
}

void opr__history_add(struct opr__history *h, struct opr__event take_event)
{
    if (h->count == h->size) {
        drop_oldest(h);
    }
    h->ring[(h->first + h->count) % h->size] = take_event;
    h->count++;
    h->bytes += opr_json_size_bytes(take_event.obj);
    while (h->bytes > BYTES_MAX && h->count > COUNT_MIN) {
        drop_oldest(h);
    }
}

const struct opr__event *opr__history_at(const struct opr__history *h, size_t position)
{
    return position < h->count ? &h->ring[(h->first + position) % h->size] : NULL;
}

size_t opr__history_after(const struct opr__history *h, uint64_t rv)
{
    size_t low = 0, high = h->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (opr__history_at(h, middle)->rv <= rv) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
