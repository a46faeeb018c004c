// Files that several processes of one user share. What is mapped from them decides what a process believes, and their
// names can be guessed: nobody else's file is opened, and none through a link.
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

// A descriptor of the file, made if it is not there; -1, and errno, if it is no plain file of this user alone.
inline int open_own(const std::string& path, int flags) {
    const int file = open(path.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (file < 0) return -1;
    struct stat about;
    // A second name elsewhere (a hard link) would have another file of this user's overwritten. One that was removed
    // since by its last reader has none.
    const bool own = fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
                     about.st_nlink <= 1 && !(about.st_mode & (S_IWGRP | S_IWOTH));
    if (own) return file;
    close(file);
    errno = EPERM;
    return -1;
}
