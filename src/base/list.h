#ifndef BASE_LIST_H
#define BASE_LIST_H
/* Intrusive doubly linked ring. The head is a link of its own; an unlinked link points to itself. */
#include "base/mem.h"

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_insert_after(struct list *at, struct list *l)
{
    l->next = at->next;
    l->prev = at;
    at->next->prev = l;
    at->next = l;
}
static inline void list_push_back(struct list *head, struct list *l)
{
    list_insert_after(head->prev, l);
}
static inline void list_push_front(struct list *head, struct list *l)
{
    list_insert_after(head, l);
}
/* Safe on an unlinked link; leaves it unlinked. */
static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}
/* The first link, removed, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *l = head->next;

    if (l == head)
        return NULL;
    list_remove(l);
    return l;
}

#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may remove `it` itself. */
#define LIST_EACH_SAFE(it, tmp, head)                                                              \
    for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

#endif
