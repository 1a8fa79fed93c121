#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "storage/environment.hpp"

namespace earshot::storage {

// Visits every page that the newest head of LMDB's file leads to, and holds each against what LMDB writes and then
// believes: a page's header and layout, its place in the tree, the order of its keys, what trees and the list of free
// pages count, and that no page is used twice, or used and free. LMDB's readers look at a part of that only.
//
// Reads the file by itself and trusts no number in it before it was checked: damage cannot crash it, nor lead it in
// circles. Nobody may write meanwhile. Memory: two bits per page of the file. `on_page` is called for each page.
Status walk_pages(const std::string& data_file, const std::function<void()>& on_page,
                  const std::function<void(PageFlaw)>& on_flaw);

}  // namespace earshot::storage
