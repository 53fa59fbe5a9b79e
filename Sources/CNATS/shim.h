#ifndef COMPANIONWAY_CNATS_SHIM_H
#define COMPANIONWAY_CNATS_SHIM_H

#include <nats/nats.h>
#include <stddef.h>

/* A stream that keeps everything on disk, for one subject, and refuses to have anything of it deleted. The
   structure's lists of C strings and its defaults are filled in where their pointers live long enough. */
static inline natsStatus shim_add_stream(jsCtx *js, const char *name, const char *subject, int replicas,
                                         long long wait_milliseconds, jsErrCode *error) {
    const char *subjects[] = {subject};
    jsStreamConfig config;
    jsOptions options;
    natsStatus status = jsStreamConfig_Init(&config);
    if (status == NATS_OK) status = jsOptions_Init(&options);
    if (status != NATS_OK) return status;
    options.Wait = wait_milliseconds;
    config.Name = name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Retention = js_LimitsPolicy;
    config.Storage = js_FileStorage;
    config.Replicas = replicas;
    config.DenyDelete = true;
    config.DenyPurge = true;
    return js_AddStream(NULL, js, &config, &options, error);
}

/* The numbers of a stream's first and last message. */
static inline natsStatus shim_stream_state(jsCtx *js, const char *name, long long wait_milliseconds,
                                           unsigned long long *first, unsigned long long *last, jsErrCode *error) {
    jsStreamInfo *info = NULL;
    jsOptions options;
    natsStatus status = jsOptions_Init(&options);
    if (status != NATS_OK) return status;
    options.Wait = wait_milliseconds;
    status = js_GetStreamInfo(&info, js, name, &options, error);
    if (status != NATS_OK) return status;
    *first = info->State.FirstSeq;
    *last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return NATS_OK;
}

/* Publishes to a stream whose last message is known. libnats takes an expected 0 for none expected, so the header is
   set here. */
static inline natsStatus shim_append(jsCtx *js, const char *stream, const char *subject, const void *bytes, int count,
                                     const char *expected, long long wait_milliseconds,
                                     unsigned long long *number, jsErrCode *error) {
    natsMsg *message = NULL;
    jsPubAck *acknowledgement = NULL;
    jsPubOptions options;
    natsStatus status = jsPubOptions_Init(&options);
    if (status == NATS_OK) status = natsMsg_Create(&message, subject, NULL, (const char *)bytes, count);
    if (status == NATS_OK) status = natsMsgHeader_Set(message, "Nats-Expected-Last-Sequence", expected);
    if (status == NATS_OK) {
        options.MaxWait = wait_milliseconds;
        options.ExpectStream = stream;
        status = js_PublishMsg(&acknowledgement, js, message, &options, error);
    }
    if (status == NATS_OK) {
        *number = acknowledgement->Sequence;
        jsPubAck_Destroy(acknowledgement);
    }
    natsMsg_Destroy(message);
    return status;
}

#endif
