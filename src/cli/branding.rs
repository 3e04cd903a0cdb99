//! The user's own title, logo, CSS and templates in a report.

use std::path::Path;

use super::Failure;
use crate::report::{Bundle, Renderer};

/// A logo is held within every page.
const LOGO_BYTES_MAX: usize = 144 * 1024;

/// Puts the user's title, logo and CSS into the bundle.
pub(super) fn brand(
    bundle: &mut Bundle,
    title: Option<&str>,
    logo: Option<&Path>,
    css: Option<&Path>,
) -> Result<(), Failure> {
    if let Some(title) = title {
        bundle.branding.title = Some(title.to_owned());
    }
    if let Some(path) = logo {
        bundle.branding.logo = Some(read_logo(path)?);
    }
    if let Some(path) = css {
        bundle.branding.css = Some(read_text(path)?);
    }
    Ok(())
}

/// A renderer in which the files of `templates` stand in the place of built-in ones.
pub(super) fn renderer(templates: Option<&Path>) -> Result<Renderer, Failure> {
    let mut renderer = Renderer::new().map_err(|e| Failure::internal(&e))?;
    let Some(folder) = templates else { return Ok(renderer) };
    let failed = |e: &std::io::Error| Failure::machine(&format!("read folder `{}`", folder.display()), e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| failed(&e))? {
        files.push(entry.map_err(|e| failed(&e))?.path());
    }
    files.retain(|path| path.is_file());
    files.sort();
    for path in files {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        renderer.override_template(&name, read_text(&path)?).map_err(|e| {
            Failure::usage(
                format!("use `{}`: {e}", path.display()),
                "--templates takes a folder with files named like the built-in ones",
            )
        })?;
    }
    Ok(renderer)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::machine(&format!("read `{}`", path.display()), &e))
}

fn read_logo(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::machine(&format!("read `{}`", path.display()), &e))?;
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let kind = match ending.as_str() {
        "png" => "png",
        "jpg" | "jpeg" => "jpeg",
        "gif" => "gif",
        "webp" => "webp",
        "svg" => "svg+xml",
        _ => {
            return Err(Failure::usage(
                format!("use `{}` as the logo: not an image by its name", path.display()),
                "give a .png, .jpg, .gif, .webp or .svg file",
            ));
        }
    };
    if bytes.len() > LOGO_BYTES_MAX {
        return Err(Failure::usage(
            format!("use `{}` as the logo: {} bytes", path.display(), bytes.len()),
            format!("every page holds it: give one of {LOGO_BYTES_MAX} bytes or less"),
        ));
    }
    Ok(format!("data:image/{kind};base64,{}", base64(&bytes)))
}

/// Base64 of RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            text.push(if place <= group.len() { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        let known = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in known {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
