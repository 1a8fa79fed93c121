#include "app/cert_files.hpp"

#include <filesystem>
#include <utility>

#include "auth/issue.hpp"
#include "auth/secret_file.hpp"
#include "storage/files.hpp"

namespace earshot::app {
namespace {

tl::unexpected<Error> refuse(ErrorCode code, const char* field, std::string why) {
  return fail(code, field, std::move(why));
}

Status check_days(std::uint64_t days) {
  if (days >= 1 && days <= kCertificateDaysMax) return {};
  return refuse(ErrorCode::kInvalidArgument, "days",
                "is " + std::to_string(days) + ", must be 1 to " + std::to_string(kCertificateDaysMax));
}

// For its owner alone, whatever lies there already.
Status write_file(const std::string& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::remove(path + ".new", ignored);
  return storage::replace_file(path, text);
}

// The key first: a certificate without its key is of no use to anybody.
Result<WrittenFiles> write_pair(const std::string& directory, const std::string& name, const auth::Issued& issued) {
  const WrittenFiles files{directory + "/" + name + ".pem", directory + "/" + name + ".key"};
  if (auto made = storage::make_directories(directory); !made) return fail(std::move(made.error()));
  if (auto key = write_file(files.key, issued.key_pem); !key) return fail(std::move(key.error()));
  if (auto certificate = write_file(files.certificate, issued.certificate_pem); !certificate)
    return fail(std::move(certificate.error()));
  using std::filesystem::perms;
  std::error_code ignored;  // who may not read it says so
  std::filesystem::permissions(files.certificate, perms::group_read | perms::others_read,
                               std::filesystem::perm_options::add, ignored);
  return files;
}

Status check_absent(const std::string& directory, const std::string& name, bool force) {
  if (force) return {};
  const std::string stem = directory + "/" + name;
  for (const char* kind : {".pem", ".key"}) {
    const std::string path = stem + kind;
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found)
      return refuse(ErrorCode::kConflict, "out", path + " is there already (--force replaces it)");
  }
  return {};
}

}  // namespace

Result<WrittenFiles> make_authority(const AuthorityFiles& files) {
  if (auto fits = check_days(files.days); !fits) return fail(std::move(fits.error()));
  if (auto absent = check_absent(files.out, "ca", files.force); !absent) return fail(std::move(absent.error()));
  const auto issued = auth::issue_authority(files.name, files.days);
  if (!issued) return fail(issued.error());
  return write_pair(files.out, "ca", *issued);
}

Result<WrittenFiles> make_node(const NodeFiles& files) {
  const std::string name = files.node == 0 ? "node" : "node-" + std::to_string(files.node);
  if (auto fits = check_days(files.days); !fits) return fail(std::move(fits.error()));
  if (auto absent = check_absent(files.out, name, files.force); !absent) return fail(std::move(absent.error()));
  auto certificate = auth::read_secret_file(files.ca + "/ca.pem", "ca");
  if (!certificate) return fail(std::move(certificate.error()));
  auto key = auth::read_secret_file(files.ca + "/ca.key", "ca");
  if (!key) return fail(std::move(key.error()));
  auth::NodeCertificate node;
  const std::string common_name = files.node == 0 ? "node-any.earshot" : name + ".earshot";
  node.name = common_name;
  node.days = files.days;
  node.hosts = {"peer.earshot", common_name};
  node.hosts.insert(node.hosts.end(), files.hosts.begin(), files.hosts.end());
  const auto issued = auth::issue_node({certificate->text, key->text}, node);
  if (!issued) return fail(issued.error());
  return write_pair(files.out, name, *issued);
}

Result<std::string> show_certificate(const std::string& path) {
  const auto file = auth::read_secret_file(path, "certificate");
  if (!file) return fail(file.error());
  const auto text = auth::describe(file->text);
  if (!text) return fail(ErrorCode::kInvalidArgument, "", path + " holds no certificate in PEM");
  std::string hosts;
  for (const std::string& host : text->hosts) hosts += (hosts.empty() ? "" : ", ") + host;
  std::string lines = "subject    " + text->subject + "\nissuer     " + text->issuer + "\nserial     " + text->serial +
                      "\nfrom       " + text->begins + "\nuntil      " + text->ends + "\nkey        " + text->key +
                      "\n";
  if (text->is_authority) lines += "authority  yes\n";
  if (!hosts.empty()) lines += "for        " + hosts + "\n";
  return lines;
}

}  // namespace earshot::app
